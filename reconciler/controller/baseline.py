"""The baseline: a model's record as if what an earlier commit declares were released."""

from __future__ import annotations

from datetime import datetime

from reconciler.controller.memory import Memory, observed
from reconciler.core import record as records
from reconciler.core.candidates import question
from reconciler.core.digest import digest
from reconciler.core.plan import Desired
from reconciler.core.record import Outcome, Pointer, Record, Version
from reconciler.core.verdict import Outcome as Said


def satisfied(
    name: str, record: Record | None, desired: Desired | None, now: datetime
) -> Record | None:
    """Return the record as if `desired` were in production, accepted by its own rules.

    A version of that fingerprint that is on record plays its part; where there is none, one
    without artifacts does, which is never trained and of which the gate cannot be asked.

    Args:
        name: The model's name.
        record: What is on record; its holds and its other versions stay. None: nothing is.
        desired: What is taken as satisfied; None: that the model is not declared.
        now: The time, with a zone.
    """
    if desired is None:
        champion = record.champion if record else None
        return records.retire(record, "") if record and champion else record
    record = record or records.empty(name)
    version = _kept(record, desired) or _stand_in(record, desired, now)
    assert version.bundle is not None
    if record.version(version.number) is None:
        record = records.with_version(record, version)
    record = records.promote(record, version.number, desired.revision)
    return records.with_version(record, _accepted(record, version.bundle.md5, desired))


def _kept(record: Record, desired: Desired) -> Version | None:
    fit = (
        v
        for v in reversed(record.versions)
        if v.bundle and v.fingerprint == desired.fingerprint and v.outcome is not Outcome.WITHDRAWN
    )
    return next(fit, None)


def _stand_in(record: Record, desired: Desired, now: datetime) -> Version:
    return Version(
        number=record.next_version,
        outcome=Outcome.RELEASED,
        fingerprint=desired.fingerprint,
        revision=desired.revision,
        created=now,
        bundle=Pointer(md5=f"{digest(['stand-in', desired.fingerprint])[:32]}.dir"),
    )


def _accepted(record: Record, bundle: str, desired: Desired) -> Version:
    """Return the champion with the verdict that its own rules let it through."""
    assert record.champion is not None
    candidate = observed(record, Memory(), None, ()).at(bundle)
    assert candidate is not None
    before = record.champion.verdict or {}
    return record.champion.model_copy(
        update={
            "judged": question(desired.spec.spec.acceptance, candidate, None),
            # the evidence stays: what was measured once need not be measured to ask again
            "verdict": {"message": "", "evidence": [], **before, "outcome": Said.PASSED.value},
        }
    )
