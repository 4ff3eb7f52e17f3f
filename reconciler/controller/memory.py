"""Memory of one model within one run: what is known and not on record yet.

All of it can be lost: a crash costs cache hits, never a second training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.core import verdict as gate
from reconciler.core.candidates import Candidate, same_rules
from reconciler.core.digest import digest
from reconciler.core.frozen import Frozen
from reconciler.core.observed import Observed
from reconciler.core.record import Outcome, Record, Version
from reconciler.core.rollouts import challenging
from reconciler.core.runtime import Mismatch
from reconciler.core.trainings import Broken, Running
from reconciler.core.verdict import Verdict
from reconciler.spec.metrics import measured

_IN_PRODUCTION = (Outcome.RELEASED, Outcome.SUPERSEDED)


@dataclass(slots=True)
class Memory:
    """Drafts of versions by bundle digest, bundles that are gone, trainings that broke."""

    drafts: dict[str, Version] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    remade: set[str] = field(default_factory=set)
    """Bundles that were lost in this run and trained again, or are about to be."""
    asked: set[str] = field(default_factory=set)
    """Bundles that were judged in this run."""
    broken: list[Broken] = field(default_factory=list)

    def version(self, bundle: str, record: Record | None) -> Version | None:
        """Return what is known of a bundle, the draft before the record."""
        recorded = record.by_bundle(bundle) if record else None
        return self.drafts.get(bundle) or recorded

    def forget(self, bundle: str) -> None:
        """Drop a bundle's draft: it is on record now."""
        self.drafts.pop(bundle, None)

    def lose(self, bundle: str) -> bool:
        """Note that a bundle's artifacts are nowhere to be had: it must be trained again.

        Returns:
            Whether that may help: False when it was trained again in this run, in vain.
        """
        if bundle in self.remade:
            return False
        self.drafts.pop(bundle, None)
        self.lost.add(bundle)
        self.remade.add(bundle)
        return True


def observed(
    record: Record | None,
    memory: Memory,
    running: Running | None,
    mismatches: tuple[Mismatch, ...],
    *,
    foreign: bool = False,
    frozen: Frozen | None = None,
    guarded: str | None = None,
    room: int | None = None,
) -> Observed:
    """Return what the plan looks at: the record and, over it, what this run has learned.

    `room` is the bytes of memory that a training may take here; None: not known.
    """
    versions = record.versions if record else ()
    at_hand = {
        v.bundle.md5: v
        for v in versions
        if v.bundle and not _spent(v) and v.bundle.md5 not in memory.lost
    }
    kept = {md5: v for md5, v in at_hand.items() if md5 not in memory.drafts}
    candidates = [_candidate(v, record) for v in (*kept.values(), *memory.drafts.values())]
    again = {md5 for md5, v in kept.items() if _noisy(v) and md5 not in memory.asked}
    candidates = [replace(c, judged=None) if c.bundle in again else c for c in candidates]
    champion = record.champion if record else None
    return Observed(
        recorded=record is not None,
        champion=champion.bundle_digest if champion else None,
        challenger=challenging(record),
        candidates=tuple(candidates),
        running=running,
        broken=(*(_failure(v) for v in versions if _spent(v)), *memory.broken),
        holds=record.holds if record else (),
        mismatches=mismatches,
        foreign=foreign,
        frozen=frozen,
        guarded=guarded,
        memory=room,
    )


def _candidate(version: Version, record: Record | None) -> Candidate:
    assert version.bundle is not None
    twins = [v for v in record.versions if v.bundle == version.bundle] if record else []
    own = next((v for v in twins if _says(v) == _says(version)), None)
    gone = next((v for v in reversed(twins) if v.rollout is not None), None)
    return Candidate(
        fingerprint=version.fingerprint,
        bundle=version.bundle.md5,
        evidence=evidence(version),
        released=any(v.outcome in _IN_PRODUCTION for v in twins),
        verdict=_outcome(version),
        judged=version.judged,
        recorded=own.judged if own else None,
        said=str((version.verdict or {}).get("message", "")),
        vouched=_vouched(version, twins),
        withdrawn=gone.rollout if gone else None,
        withdrawal=f"version {gone.number} was withdrawn: {gone.message}" if gone else "",
    )


def _vouched(version: Version, twins: list[Version]) -> str:
    """Return who stands by the verdict on these bytes, and why; empty: nobody does."""
    given = (v.promotion for v in twins if v.promotion is not None)
    counts = (p for p in given if version.judged and same_rules(p.judged, version.judged))
    return next((f"promoted by {p.by}: {p.reason}" for p in counts), "")


def _outcome(version: Version) -> gate.Outcome | None:
    """Return what the gate said; None when that is not on record, or not a word of its own."""
    said = (version.verdict or {}).get("outcome")
    return gate.Outcome(said) if said in list(gate.Outcome) else None


def _says(version: Version) -> tuple[str, object]:
    return version.fingerprint, (version.verdict or {}).get("outcome")


def _noisy(version: Version) -> bool:
    """Return whether a verdict hangs on a measurement that may come out clearer next time."""
    evidence = (version.verdict or {}).get("evidence", ())
    return any(
        item["outcome"] == gate.Outcome.INCONCLUSIVE and measured(item["metric"])
        for item in evidence
    )


def disturbed(verdict: Verdict) -> bool:
    """Return whether a measurement of the bundle did not pass, which a busy machine may cause."""
    return any(
        item.outcome is not gate.Outcome.PASSED and measured(item.metric)
        for item in verdict.evidence
    )


def blocks(record: Record | None) -> list[Mapping[str, Any]]:
    """Return every block of dvc.lock on record, the latest version's first."""
    versions = reversed(record.versions) if record else ()
    return [block for version in versions for block in version.lock.values()]


def judged(version: Version, verdict: Verdict, asked: str) -> Version:
    """Return `version` with the gate's answer to the question `asked`."""
    return version.model_copy(update={"verdict": verdict.to_json(), "judged": asked})


def evidence(version: Version) -> str:
    """Return a digest of what a version's verdict is read from."""
    parts = (version.predictions, version.prepared)
    read = [part.md5 if part else None for part in parts]
    return digest([*read, version.metrics] if version.metrics_source else read)[:32]


def _spent(version: Version) -> bool:
    """Return whether it is no candidate; one withdrawn from the traffic alone still is."""
    withdrawn = version.outcome is Outcome.WITHDRAWN and version.rollout is None
    return withdrawn or version.outcome is Outcome.FAILED


def _failure(version: Version) -> Broken:
    return Broken(
        version.fingerprint,
        version.reason,
        version.message,
        timeout=version.timeout,
        memory=version.memory,
        recorded=True,
    )
