"""The stages: the programs that DVC runs."""
