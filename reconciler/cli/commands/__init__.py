"""Verbs as the command line declares them; each imports its work when it is called."""
