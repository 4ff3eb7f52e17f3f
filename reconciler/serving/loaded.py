"""Loaded versions: a bundle that was verified, opened, and has answered its own examples right."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from reconciler.bundle import golden
from reconciler.bundle.golden import Examples
from reconciler.bundle.predictor import Predictor, open_bundle
from reconciler.bundle.signature import Signature
from reconciler.errors import ReconcilerError, TerminalError
from reconciler.serving.fields import Fields
from reconciler.serving.table import Entry

#: Answers that take longer than this run apart: until they are there, nobody else would be served.
SLOW_S = 0.002
#: Weight of the latest answer in what is known of a version's speed.
_LATEST = 0.05
#: Of so many answers, one is measured.
_EVERY = 8


class Loaded:
    """One version in memory; `predictor` may be used by any thread.

    Args:
        entry: Which version of which bundle.
        predictor: Answers.
        examples: What it was warmed up on.
        load_s: Seconds from the first byte to the last example.
        size: Bytes of the bundle's files.
        spread: Standard deviation of its predictions on the test split; None for labels.
    """

    def __init__(
        self,
        entry: Entry,
        predictor: Predictor,
        examples: Examples,
        load_s: float = 0.0,
        size: int = 0,
        spread: float | None = None,
    ) -> None:
        self.version = str(entry.version)
        self.digest = entry.digest
        self.entry = entry
        self.predictor = predictor
        self.fields = Fields(predictor.signature)
        self.examples = examples
        self.load_s = load_s
        self.size = size
        self.spread = spread
        self.gathers: bool | None = None
        """Whether rows get the very same answers in one run as alone; None: not seen to yet."""
        self._turn = 0
        self.one_s = 0.0
        """Seconds of a processor that one row alone takes, smoothed."""
        self.row_s = 0.0
        """Seconds that a row takes among others, smoothed: seldom as long."""

    @property
    def signature(self) -> Signature:
        """What it takes and answers."""
        return self.predictor.signature

    def due(self) -> bool:
        """Return whether to measure an answer: now and then, and always while it is slow."""
        self._turn = (self._turn + 1) % _EVERY
        return self._turn == 0 or self.one_s > SLOW_S or self.row_s > SLOW_S

    def slow(self, rows: int) -> bool:
        """Return whether an answer to so many rows holds up others."""
        return self.one_s > SLOW_S or (rows > 1 and rows * self.row_s > SLOW_S)

    def at_once(self, most: int) -> int:
        """Return how many rows, 1 to `most`, an answer may be to and hold up nobody."""
        return most if most * self.row_s <= SLOW_S else max(int(SLOW_S / self.row_s), 1)

    def took(self, seconds: float, rows: int) -> None:
        """Learn from an answer how fast it is, in seconds of a processor."""
        if rows > 1:
            self.row_s += _LATEST * (seconds / rows - self.row_s)
        else:
            self.one_s += _LATEST * (seconds - self.one_s)


def load(entry: Entry, clock: Callable[[], float] = time.perf_counter) -> Loaded:
    """Return a version that is ready to answer.

    Raises:
        TerminalError: `BundleMissing`, `BundleCorrupt` or `UntrustedType`; `WrongAnswer`: it does
            not answer its own examples as it did when it was made.
    """
    began, folder = clock(), Path(entry.folder)
    predictor = open_bundle(folder)
    try:
        examples = golden.read(folder)
    except (OSError, ValueError, KeyError) as error:
        message = f"the bundle in {folder} has no readable examples"
        raise TerminalError(message, reason="BundleCorrupt") from error
    _check(entry, predictor, examples)
    size = sum(file.stat().st_size for file in folder.iterdir())
    loaded = Loaded(entry, predictor, examples, clock() - began, size, _spread(folder))
    if examples.rows:  # the second time: nothing is made for the first time any more
        warm = clock()
        _check(entry, predictor, examples)
        loaded.one_s = loaded.row_s = (clock() - warm) / len(examples.rows)
    return loaded


def _spread(folder: Path) -> float | None:
    try:
        profile = json.loads((folder / "reference.json").read_bytes())["predictions"]
        return float(profile["std"]) if "std" in profile else None
    except (OSError, ValueError, KeyError, TypeError):  # it answers all the same
        return None


def _check(entry: Entry, predictor: Predictor, examples: Examples) -> None:
    try:
        said = examples.wrong(predictor.predict_one)
    except ReconcilerError as error:
        said = error.message
    except Exception as error:  # noqa: BLE001  a runtime raises classes without a base
        said = f"{type(error).__name__}: {error}"
    if said:
        raise TerminalError(
            f"version {entry.version} does not answer as it did: {said}", reason="WrongAnswer"
        )
