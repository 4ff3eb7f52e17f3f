"""The outside world: git, DVC, processes, targets."""
