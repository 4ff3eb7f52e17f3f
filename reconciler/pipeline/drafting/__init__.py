"""Drafting: a first spec for a table, with what was found in it said in comments."""
