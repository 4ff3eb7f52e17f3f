"""GitOps for machine-learning models: declare a model in git, and it is kept true."""

__version__ = "0.1.0"
