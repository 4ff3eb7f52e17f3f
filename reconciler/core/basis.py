"""The basis: digests of what a model's part of a plan rests on, to tell when it has moved on."""

from __future__ import annotations

from reconciler.core.digest import digest
from reconciler.core.plan import Desired, Invalid
from reconciler.core.record import Record


def declared(desired: Desired | Invalid | None) -> str | None:
    """Return a digest of what is declared of a model, whatever commit says it.

    The fingerprint brings the data, the code, the pipeline and the runtime into it.
    """
    match desired:
        case None:
            return None
        case Invalid():
            return digest([desired.reason, desired.message])
        case Desired():
            return digest([desired.spec.model_dump(mode="json"), desired.fingerprint])


def recorded(record: Record | None) -> str | None:
    """Return a digest of a model's record; None where there is none."""
    return None if record is None else digest(record.model_dump(mode="json"))
