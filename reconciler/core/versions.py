"""Two versions side by side: their metrics, and how sure it is which is better; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.core.case import Rival, Rivalry, Unscorable
from reconciler.core.comparison import compare
from reconciler.core.record import Outcome, Record, Version
from reconciler.core.steering import kept
from reconciler.errors import UsageError
from reconciler.spec.metrics import METRICS
from reconciler.spec.model import Rule

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Pair:
    """One metric of two versions."""

    metric: str
    old: float | None
    """On the older version's own test split; None: it has none."""
    new: float | None
    low: float | None = None
    """Lower bound of how much better the newer is, on common rows; None: it cannot be told."""
    high: float | None = None
    rows: int = 0
    """Rows that neither was trained on; 0: they were not compared."""
    why: str = ""
    """Why there is no interval."""

    def said(self) -> str:
        """Return what the interval says, in words."""
        if self.low is None or self.high is None:
            return self.why
        if self.low == self.high == 0:
            return "the same answers"
        if self.low > 0:
            return f"better by {self.low:.3g} to {self.high:.3g}"
        if self.high < 0:
            return f"worse by {-self.high:.3g} to {-self.low:.3g}"
        return f"not told apart: {-self.low:.3g} worse to {self.high:.3g} better"


def chosen(record: Record, one: int | None, other: int | None) -> tuple[Version, Version]:
    """Return the two versions to compare, the one that comes first in the sentence first.

    Args:
        record: The model's record.
        one: A version; None: the champion.
        other: A version; None: the newest that was trained to an end, or beside it the one before.

    Raises:
        UsageError: They are one and the same, or not kept.
    """
    if one is not None and other is not None:
        pair = kept(record, one), kept(record, other)
    else:
        pair = _default(record, None if one is None else kept(record, one))
    if pair[0].number == pair[1].number:
        raise UsageError(
            f"version {pair[0].number} of {record.model} is compared with itself",
            reason="SameVersion",
            hint=f"kept are: {', '.join(str(v.number) for v in record.versions)}",
        )
    return pair


def _default(record: Record, one: Version | None) -> tuple[Version, Version]:
    versions = [v for v in record.versions if v.outcome is not Outcome.CANCELLED]
    count, newest = len(versions), versions[-1] if versions else None
    first = one or record.champion or (versions[-2] if count > 1 else None)
    if newest is None or first is None or count == 1:
        raise UsageError(
            f"{record.model} has {count} version{'' if count == 1 else 's'}: nothing to compare",
            reason="NothingToCompare",
            hint=f"`reconciler plan {record.model}` compares HEAD with what is released",
        )
    if first.number != newest.number:
        return first, newest
    return versions[-2], newest


def pairs(old: Version, new: Version, rival: Rival | str) -> tuple[Pair, ...]:
    """Return every metric of two versions, with an interval where common rows tell.

    Args:
        old: The version that is compared with.
        new: The version that is compared.
        rival: Both on common rows, `new` as the challenger; text: why that is not to be had.
    """
    names = [n for n in METRICS if n in old.metrics or n in new.metrics]
    names += sorted({*old.metrics, *new.metrics} - set(names))
    return tuple(_pair(name, old, new, rival) for name in names)


def _pair(name: str, old: Version, new: Version, rival: Rival | str) -> Pair:
    values = old.metrics.get(name), new.metrics.get(name)
    match rival:
        case Rivalry() if name in METRICS and None not in values:
            rule = Rule(metric=name, compare="champion", margin=0.0, confidence=CONFIDENCE)
            seed = f"{old.fingerprint}:{new.fingerprint}:{name}"
            found = compare(rule, rival.challenger, rival.champion, seed)
            rows = len(rival.challenger)
            why = found.message if found.low is None else ""
            return Pair(name, *values, found.low, found.high, rows, why)
        case str(why) | Unscorable(why):
            return Pair(name, *values, why=why)
        case _:
            return Pair(name, *values)


def common(found: Sequence[Pair]) -> int:
    """Return the rows that the intervals rest on; 0 where there are none."""
    return max((pair.rows for pair in found if pair.low is not None), default=0)
