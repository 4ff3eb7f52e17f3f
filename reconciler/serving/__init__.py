"""The inference server: what is released answers here."""
