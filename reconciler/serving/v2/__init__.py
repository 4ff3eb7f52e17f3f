"""The Open Inference Protocol, version 2: what KServe, Triton and MLServer speak."""
