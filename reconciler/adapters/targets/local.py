"""The local target: inference servers that follow the records, observed and mended over HTTP.

No bytes are brought to them. What a server says of itself is compared with the record, and the
golden examples of the released bundle are asked of it as any client would.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from reconciler.core.target_plan import Fault
from reconciler.errors import ReconcilerError, TransientError
from reconciler.ports.servers import (
    BARRED,
    BUSY,
    DENIED,
    DOWN,
    FOREIGN,
    Prediction,
    Report,
    Serves,
    State,
    Tended,
)
from reconciler.ports.targets import Served

if TYPE_CHECKING:
    from reconciler.bundle.golden import Examples

#: Gives the golden examples of the bundle with a digest; None: they are not at hand.
Golden = Callable[[str], "Examples | None"]

#: A server that does not serve what was just released is loading it, for so long.
GRACE_S = 5.0
_WORST = (
    Fault.WRONG_ANSWER, Fault.WRONG_VERSION, Fault.MODEL_MISSING, Fault.NOT_LOADED,
    Fault.BUNDLE_DAMAGED, Fault.SERVER_DOWN, Fault.FOREIGN, Fault.REFUSES, Fault.DENIED,
    Fault.LOADING, None,
)  # fmt: skip
#: What is said where nothing is known of any server: one that is there first.
_FIRST = (Fault.DENIED, Fault.REFUSES, Fault.FOREIGN, Fault.SERVER_DOWN, Fault.NOT_SERVED)
_UNASKED = {
    DOWN: Fault.SERVER_DOWN, DENIED: Fault.DENIED, FOREIGN: Fault.FOREIGN, BARRED: Fault.REFUSES,
}  # fmt: skip
#: Where one of these is, nobody of ours has answered.
_NOBODY = frozenset({DOWN, FOREIGN})
_LATE = frozenset({Fault.WRONG_VERSION, Fault.MODEL_MISSING})


class LocalTarget:
    """Any thread may ask.

    Args:
        servers: The servers.
        golden: Where golden examples come from.
        clock: Monotonic seconds.
    """

    name = "local"
    honours = frozenset({"rollout", "keep"})

    def __init__(
        self,
        servers: Tended,
        golden: Golden = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._servers = servers
        self._golden = golden
        self._clock = clock
        self._met = False
        """Whether any server has ever answered."""
        self._right: dict[str, str] = {}
        """The bundle that every server was last seen to serve, by model."""
        self._asked: dict[str, tuple[str, float]] = {}
        """What servers were last asked to load for the first time, and when, by model."""

    def observe(self, model: str, wanted: str) -> Served:
        """Return what answers for `model` where that is furthest from `wanted`."""
        reports = self._servers.look()
        up = [report for report in reports if not report.away]
        self._met = self._met or bool(up) or any(r.why not in _NOBODY for r in reports)
        if not up:
            faults = {absent(report, self._met) for report in reports}
            first = next((fault for fault in _FIRST if fault in faults), Fault.NOT_SERVED)
            return Served(None, intact=False, detail=_away(reports, first), fault=first)
        found = [self._at(report, model, wanted) for report in reports]
        answering = next((seen.digest for seen in found if seen.digest is not None), None)
        worst = min(found, key=lambda seen: _WORST.index(seen.fault))
        if worst.fault is None:
            self._right[model] = wanted
            self._asked.pop(model, None)
            return worst
        worst = Served(worst.digest or answering, worst.intact, worst.detail, worst.fault)
        return self._forgiven(model, wanted, worst)

    def mend(self, model: str, wanted: str) -> None:
        """Have each server that does not answer as it should read the records and load anew."""
        if self._right.get(model) != wanted and self._asked.get(model, ("",))[0] != wanted:
            self._asked[model] = (wanted, self._clock())
        for report in self._servers.look():
            seen = None if report.away else self._at(report, model, wanted)
            if seen is None or seen.fault is None:
                continue
            unless = wanted if seen.fault in _LATE else None
            try:
                self._servers.reload(report.endpoint, model, unless)
            except TransientError:  # the next look says what is wrong with it
                continue

    def forget(self, model: str) -> None:
        """Take note that a model is not to be served by these servers."""
        self._right.pop(model, None)
        self._asked.pop(model, None)

    def _forgiven(self, model: str, wanted: str, seen: Served) -> Served:
        """Return what is no fault yet as none: a release takes servers a moment."""
        if seen.fault not in _LATE or self._right.get(model) == wanted:
            return seen
        asked, at = self._asked.get(model, ("", 0.0))
        if asked != wanted:
            return Served(None if seen.digest == wanted else seen.digest, intact=True)
        if self._clock() - at < GRACE_S:
            return Served(seen.digest, True, "servers are loading it", Fault.LOADING)
        return seen

    def _at(self, report: Report, model: str, wanted: str) -> Served:
        if report.away:
            gone = absent(report, met=True)
            return Served(None, intact=False, detail=report.away, fault=gone)
        serves = report.models.get(model)
        fault, detail = _fault(report, serves, wanted)
        champion = serves.champion if serves else None
        if fault is None and champion is not None:
            fault, detail = self._wrong(report.endpoint, model, str(champion.version), wanted)
        if fault in _LATE and report.behind:
            detail = f"{detail}; it does not follow the records at the moment: {report.behind}"
        said = f"{report.endpoint}: {detail}" if detail else ""
        return Served(champion.digest if champion else None, fault is None, said, fault)

    def _wrong(
        self, endpoint: str, model: str, version: str, wanted: str
    ) -> tuple[Fault | None, str]:
        """Return what is wrong with the live answers to the golden examples, if anything is.

        Where another version answers, as a rollout has it, there is nothing to compare.
        """
        try:
            examples = self._golden(wanted)
        except ReconcilerError:  # whoever needs the bundle says that it is gone
            examples = None
        if examples is None or not examples.rows:
            return None, ""
        try:
            answer = self._servers.predict(endpoint, model, examples.rows)
        except TransientError as error:
            if error.reason == BUSY:
                return None, ""
            return _UNASKED.get(error.reason, Fault.WRONG_ANSWER), error.message
        said = _differs(examples, answer) if answer.version == version else ""
        return (Fault.WRONG_ANSWER if said else None), said


def _differs(examples: Examples, answer: Prediction) -> str:
    """Return how answers differ from what was recorded; empty when they do not."""
    count = len(examples.rows)
    if len(answer.values) != count:
        return f"{len(answer.values)} answers to {count} examples"
    likely = answer.probabilities or (None,) * count
    wanted = examples.predictions
    said = (
        examples.differs(n, answer.values[n], likely[n])
        for n in range(count)
        if answer.values[n] is not None or _finite(wanted[n])  # JSON has null for NaN
    )
    return next((text for text in said if text), "")


def _finite(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _fault(report: Report, serves: Serves | None, wanted: str) -> tuple[Fault | None, str]:
    """Return what is wrong by a server's own account, and a sentence about it."""
    if serves is None:
        if not report.ready:
            return Fault.LOADING, "it has just started"
        return Fault.MODEL_MISSING, "it knows no such model"
    champion, failed = serves.champion, serves.failed
    right = champion is not None and champion.digest == wanted
    if failed is not None and (failed.digest == wanted or not (failed.digest or failed.since)):
        if not right:
            return Fault.NOT_LOADED, f"{failed.reason}: {failed.message}"
        return Fault.BUNDLE_DAMAGED, f"{failed.message}; it answers from memory"
    if right:
        return (Fault.BUNDLE_DAMAGED, serves.damaged) if serves.damaged else (None, "")
    if serves.state is State.LOADING:
        return Fault.LOADING, serves.detail or "it is loading"
    if champion is None:
        return Fault.MODEL_MISSING, "no version of it answers"
    return Fault.WRONG_VERSION, f"version {champion.version} answers, which is not the released one"


def absent(report: Report, met: bool = False) -> Fault:
    """Return what it means that nothing is known of a server.

    Args:
        report: What is said instead.
        met: Whether any server has ever answered.
    """
    if report.why == DOWN:
        return Fault.SERVER_DOWN if met else Fault.NOT_SERVED
    return _UNASKED.get(report.why, Fault.REFUSES)


def _away(reports: tuple[Report, ...], fault: Fault) -> str:
    said = "; ".join(report.away for report in reports) or "no endpoint is named"
    return f"nobody serves it yet: {said}" if fault is Fault.NOT_SERVED else said
