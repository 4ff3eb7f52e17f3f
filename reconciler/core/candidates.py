"""Candidates: trained artifacts of one model, and what the gate was asked and said of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.core.digest import digest
from reconciler.core.verdict import Outcome
from reconciler.spec.model import Rule


@dataclass(frozen=True, slots=True)
class Candidate:
    """An artifact that could be released: newly trained, or kept from an earlier version."""

    fingerprint: str
    bundle: str
    """Digest of the bundle: equal digests are the same model, whatever their fingerprints."""

    evidence: str
    """Digest of the predictions and of the test split they belong to."""

    released: bool = False
    """It was in production before, or is now."""

    verdict: Outcome | None = None
    """What the gate said; None: it was never asked."""

    judged: str | None = None
    """The question that `verdict` answers, see `question`."""

    recorded: str | None = None
    """The question whose answer stands in the release record; None: not recorded yet."""

    said: str = ""
    """The verdict in one sentence."""

    vouched: str = ""
    """Who released it although this verdict was inconclusive, and why; empty: nobody did."""

    withdrawn: str | None = None
    """Digest of the rollout settings under which it was withdrawn; None: it was not."""

    withdrawal: str = ""
    """Why it was withdrawn, as a sentence."""

    @property
    def accepted(self) -> bool:
        """Return whether it may be released: it passed, or a person stands by it."""
        undecided = self.verdict is Outcome.INCONCLUSIVE
        return self.verdict is Outcome.PASSED or (undecided and bool(self.vouched))


def question(acceptance: Sequence[Rule], candidate: Candidate, champion: Candidate | None) -> str:
    """Return what a verdict on `candidate` rests on: `<rules and answers>:<rival>`.

    A verdict is a pure function of these, so it is asked again exactly when one of them changes.
    """
    rules = [rule.model_dump(mode="json") for rule in acceptance]
    compares = any(rule.compare is not None for rule in acceptance)
    rival = champion.bundle if champion and compares and not candidate.released else "-"
    return f"{digest([rules, candidate.bundle, candidate.evidence])[:32]}:{rival[:32]}"


def answered(candidate: Candidate, asked: str) -> bool:
    """Return whether the verdict on `candidate` answers this question.

    A candidate that was released before re-enters on the absolute rules alone: for it the
    rival is no part of the question, so what released it stays its verdict.
    """
    if candidate.judged is None or not candidate.released:
        return candidate.judged == asked
    return same_rules(candidate.judged, asked)


def same_rules(one: str, other: str) -> bool:
    """Return whether two questions ask the same rules of the same answers, whoever the rival."""
    return one.partition(":")[0] == other.partition(":")[0]
