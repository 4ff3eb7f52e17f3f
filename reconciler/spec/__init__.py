"""What users commit: specs, params.yaml, and what can be wrong with them."""
