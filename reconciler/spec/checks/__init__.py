"""Checks that need more than one key: what a schema cannot say of a spec."""
