"""The verdict: what the gate says of a version, with the evidence it rests on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What a rule, or all rules together, come to."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Evidence:
    """How one rule was answered for one value."""

    metric: str
    outcome: Outcome
    value: float | None
    """The version's own value; None: undefined or not measured."""
    threshold: Mapping[str, Any]
    """The rule: `min`, `max`, or `compare` with its margin and confidence."""
    rows: int
    """Rows that the value was computed on; 0 for what is measured on the bundle."""
    message: str
    """One sentence."""
    low: float | None = None
    """Lower bound of how much better than the champion it is, in the metric's unit; of what is
    measured on the bundle, the least value. None: there is no such thing."""
    high: float | None = None
    """Upper bound, or greatest value."""
    slice: str | None = None
    """The column whose values are judged apart; None: all rows together."""
    slice_value: str | None = None
    self_reported: bool = False
    """The value is the word of the user's own stages, and was not computed here."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of the gate."""

    outcome: Outcome
    reason: str
    """One CamelCase word for machines."""
    message: str
    """One sentence: the evidence that decided."""
    evidence: tuple[Evidence, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values; numbers to eight digits, what is not finite as None."""
        plain: dict[str, Any] = _plain(asdict(self))
        for item in plain["evidence"]:
            if not item["self_reported"]:
                del item["self_reported"]  # an older reader knows no such key
        return plain

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> Verdict:
        """Return the verdict that `to_json` gave."""
        evidence = tuple(
            Evidence(**{**item, "outcome": Outcome(item["outcome"])}) for item in plain["evidence"]
        )
        outcome = Outcome(plain["outcome"])
        return Verdict(outcome, str(plain["reason"]), str(plain["message"]), evidence)


def conclude(evidence: tuple[Evidence, ...]) -> Verdict:
    """Return the verdict that all evidence together comes to: failed before inconclusive.

    No evidence at all is inconclusive: nothing was asked, so nothing was shown.
    """
    if not evidence:
        return Verdict(Outcome.INCONCLUSIVE, "NothingAsked", "there is no rule to pass", ())
    outcomes = {item.outcome for item in evidence}
    for outcome, reason in ((Outcome.FAILED, "Failed"), (Outcome.INCONCLUSIVE, "Inconclusive")):
        if outcome in outcomes:
            said = [item.message for item in evidence if item.outcome is outcome]
            more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
            return Verdict(outcome, reason, said[0] + more, evidence)
    count = len(evidence)
    noun = "rule holds" if count == 1 else "rules hold"
    return Verdict(Outcome.PASSED, "Passed", f"{count} {noun}", evidence)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, float):
        return float(f"{value:.8g}") if math.isfinite(value) else None
    return value
