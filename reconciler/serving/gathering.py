"""Gathering: single rows that came in together are put to a model as one table.

A run of a small model costs what it costs to begin with it, and the code of the model and of all
that is around it throw each other out of the processor's caches: eight rows in one run take little
more than one row. Nobody waits for rows that are still to come.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from reconciler.bundle.predictor import Predictions, Tensors
from reconciler.serving.loaded import Loaded
from reconciler.serving.stepping import Pause

#: Rows of one run: what comes in meanwhile is read after that.
_MOST = 64


@dataclass(slots=True, eq=False)
class Place(Pause):
    """One row's place in a run; to be awaited outside of tasks."""

    tensors: Tensors
    predictions: Predictions | None = None
    """None: its run failed, and it is to be asked alone."""
    seconds: float = 0.0
    """What the whole run took: so long its answer did."""

    def __await__(self) -> Generator[Pause, None, Place]:
        yield self
        return self


class Gathering:
    """The rows of one turn of the loop; used by the loop's thread alone."""

    def __init__(self) -> None:
        self._waiting: dict[Loaded, list[Place]] = {}

    def join(self, loaded: Loaded, tensors: Tensors) -> Place:
        """Return a place in the next run of a version."""
        place = Place(tensors)
        self._waiting.setdefault(loaded, []).append(place)
        return place

    def run(self) -> None:
        """Ask each version the rows that wait for it."""
        waiting, self._waiting = self._waiting, {}
        for loaded, places in waiting.items():
            size = loaded.at_once(_MOST)
            for start in range(0, len(places), size):
                _run(loaded, places[start : start + size])


def _run(loaded: Loaded, places: Sequence[Place]) -> None:
    measured = loaded.due()
    busy_s = time.thread_time() if measured else 0.0
    began = time.perf_counter()
    try:
        found = loaded.predictor.answer_each([place.tensors for place in places])
    except Exception:  # noqa: BLE001  whichever row it was, its own request will tell
        return
    seconds = time.perf_counter() - began
    if measured:
        loaded.took(time.thread_time() - busy_s, len(places))
    for place, predictions in zip(places, found, strict=True):
        place.predictions, place.seconds = predictions, seconds
