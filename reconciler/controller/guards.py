"""Guards: what keeps changes of production back at one revision, by time or until allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.controller.fleet import Fleet
from reconciler.controller.memory import Memory, observed
from reconciler.core.frozen import Frozen
from reconciler.core.mass_change import Fate, mass_change
from reconciler.core.plan import CHANGING, Desired, Invalid, plan_release
from reconciler.core.record import Record
from reconciler.spec.params import FreezeWindow

#: How long a freeze with no end in sight is not looked at anew.
_KEPT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Asked:
    at: datetime
    said: Frozen | None

    def holds(self, now: datetime) -> bool:
        """Return whether the answer is the same now, wherever the clock has jumped to."""
        if self.said is None:  # freezes begin on the second
            return now.replace(microsecond=0) == self.at.replace(microsecond=0)
        return self.at <= now < (self.said.until or self.at + _KEPT)


@dataclass(frozen=True, slots=True)
class Guards:
    """Freeze windows, and the models that a mass change is not allowed to touch."""

    windows: tuple[FreezeWindow, ...] = ()
    held: Mapping[str, str] = field(default_factory=dict)
    """What must be allowed first, by model."""
    _known: dict[tuple[FreezeWindow, ...], _Asked] = field(default_factory=dict)

    def frozen(self, name: str, now: datetime) -> Frozen | None:
        """Return until when releases of a model wait; None: they need not."""
        if not self.windows:
            return None
        from reconciler.core import freeze  # cron and time zones, for fleets with windows alone

        windows = freeze.concerning(self.windows, name)
        if (asked := self._known.get(windows)) is None or not asked.holds(now):
            asked = self._known[windows] = _Asked(now, freeze.frozen(windows, now))
        return asked.said

    def guarded(self, name: str) -> str | None:
        """Return why a model's changes must be allowed first; None: they need not be."""
        return self.held.get(name)


UNGUARDED = Guards()


def guards(
    fleet: Fleet,
    records: Mapping[str, Record],
    now: datetime,
    allowed: str | None = None,
    others: int = 0,
) -> Guards:
    """Return what keeps changes back at one revision, as the records stand.

    Args:
        fleet: What is declared.
        records: What is on record.
        now: The time, with a zone.
        allowed: The commit of which a person has allowed to change as much as it does.
        others: Models in production besides, which are as declared.
    """
    if allowed == fleet.revision:
        return Guards(fleet.params.freeze)
    fates = {
        name: found
        for name, record in records.items()
        if (found := fate(fleet.wish(name), record, fleet.elsewhere, now)) is not None
    }
    return guarding(fleet, fates, f"commit {fleet.revision[:7]}", others)


def guarding(fleet: Fleet, fates: Mapping[str, Fate], what: str, others: int = 0) -> Guards:
    """Return what keeps changes back, by what would become of each model in production.

    Args:
        fleet: What is declared.
        fates: See `fate`.
        what: What declares it, in words.
        others: Models in production besides, which are as declared.
    """
    declared = bool(fleet.models or others)
    change = mass_change(fates, fleet.params.guard, others=others, declared=declared)
    held = dict.fromkeys(change.models, change.told(what)) if change else {}
    return Guards(fleet.params.freeze, held)


def fate(
    desired: Desired | Invalid | None,
    record: Record | None,
    elsewhere: Callable[[str], bool],
    now: datetime,
) -> Fate | None:
    """Return what would become of a model in production; None: it is not, or is not ours.

    A model is replaced where a version of what is declared is still to be trained, judged or
    released; one whose version was tried and stays out is left as it is.
    """
    if record is None or record.champion is None:
        return None
    if desired is None:
        return None if elsewhere(record.model) else Fate.RETIRE
    if isinstance(desired, Invalid) or desired.fingerprint == record.champion.fingerprint:
        return Fate.LEAVE
    asked = Memory(asked=set(_bundles(record)))  # what could not be measured is no change
    plan = plan_release(desired, observed(record, asked, None, ()), now)
    return Fate.REPLACE if plan.reason in CHANGING else Fate.LEAVE


def _bundles(record: Record) -> Iterable[str]:
    return (v.bundle_digest for v in record.versions if v.bundle_digest is not None)
