"""The outside world as the core needs it."""
