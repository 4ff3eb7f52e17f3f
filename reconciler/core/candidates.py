"""Candidates: trained artifacts of one model, and what the gate was asked and said of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.core.digest import digest
from reconciler.core.gate import Outcome
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


def question(acceptance: Sequence[Rule], candidate: Candidate, champion: Candidate | None) -> str:
    """Return a digest of all that a verdict on `candidate` rests on.

    A verdict is a pure function of these, so it is asked again exactly when one of them changes.
    A candidate that was released before re-enters on the absolute rules alone: for it the
    champion is no part of the question.
    """
    compares = any(rule.compare is not None for rule in acceptance)
    rival = champion.bundle if champion and compares and not candidate.released else None
    rules = [rule.model_dump(mode="json") for rule in acceptance]
    return digest([rules, candidate.bundle, candidate.evidence, candidate.released, rival])[:32]
