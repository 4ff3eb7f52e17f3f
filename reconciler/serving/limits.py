"""Limits: how much one request may ask for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds unless it is set otherwise."""

    body: int = 16 << 20
    """Bytes."""
    rows: int = 100_000
    seconds: float = 30.0
    """For its body to come, and again for its answer to be found."""
