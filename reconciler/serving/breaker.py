"""The breaker: a challenger that fails gets no more requests, whoever is there to decide."""

from __future__ import annotations

from collections import deque

_IN_A_ROW = 5
_LATELY = 20
_OF_THOSE = 10


class Breaker:
    """Trips once, and stays so: only another record closes it, by another breaker."""

    def __init__(self) -> None:
        self.tripped = False
        self._row = 0
        self._lately: deque[bool] = deque(maxlen=_LATELY)

    def note(self, *, failed: bool) -> None:
        """Take in how a request ended: five failures in a row trip it, or ten of the last 20."""
        self._row = self._row + 1 if failed else 0
        self._lately.append(failed)
        if self._row >= _IN_A_ROW or sum(self._lately) >= _OF_THOSE:
            self.tripped = True
