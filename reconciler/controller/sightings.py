"""Sightings: what the reports of all servers say together about one model's rollout; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import add

from reconciler.core.record import Record, Version
from reconciler.core.rollout import Counts
from reconciler.core.rollouts import challenger
from reconciler.core.tally import NONE, Tally
from reconciler.ports.servers import Report, State, Unloaded

#: By id of a boot, then digest of a bundle.
Boots = dict[str, dict[str, Tally]]
#: By when a step began, then digest of a bundle; the latest step last.
Totals = Mapping[str, Mapping[str, Tally]]

#: The bundle itself is broken: it is so wherever it is loaded.
_BROKEN = frozenset({"BundleCorrupt", "UntrustedType", "WrongAnswer"})
#: The bundle is not to be had: that may end once it has been pushed, or a remote is back.
_MISSING = frozenset({"ArtifactsMissing", "BundleMissing", "CacheCorrupt", "DataMissing"})
_PATIENCE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Trial:
    """What a rollout's step is about, as servers know it."""

    model: str
    champion: Version
    challenger: Version
    began: datetime

    @property
    def since(self) -> str:
        """When the step began, as servers say it."""
        return self.began.isoformat()


def trial(record: Record) -> Trial | None:
    """Return what is being tried; None: no rollout is on."""
    version = challenger(record)
    if version is None or record.challenger is None or record.champion is None:
        return None
    return Trial(record.model, record.champion, version, record.challenger.since)


def boots(trial: Trial, reports: Sequence[Report]) -> Boots:
    """Return what the boots that are told of have counted in this step, and in no other."""
    found: Boots = {}
    for report in reports:
        for boot, models in report.boots.items():
            own = {
                digest: counted.tally
                for digest, counted in models.get(trial.model, {}).items()
                if counted.since == trial.since
            }
            if own:
                found[boot] = own
    return found


def summed(boots: Boots) -> dict[str, Tally]:
    """Return all boots together, by digest."""
    digests = {digest for tallied in boots.values() for digest in tallied}
    return {
        d: reduce(add, (tallied[d] for tallied in boots.values() if d in tallied), NONE)
        for d in digests
    }


def counts(trial: Trial, reports: Sequence[Report], totals: Totals, now: datetime) -> Counts:
    """Return what a step is judged by.

    A server that cannot be reached proves nothing: what it had counted before stays counted.

    Args:
        trial: What is being tried.
        reports: What each endpoint says now.
        totals: What all boots have counted, those of former runs too.
        now: The time, with a zone.
    """
    up = [report for report in reports if not report.away]
    step = totals.get(trial.since, {})
    old, new = str(trial.champion.bundle_digest), str(trial.challenger.bundle_digest)
    champion = step.get(old, NONE)
    if champion.requests == 0:  # the challenger gets them all: the step before tells what is usual
        champion = next((t[old] for t in reversed(list(totals.values())) if old in t), NONE)
    failed = list(_failed(trial, up))
    return Counts(
        champion=champion,
        challenger=step.get(new, NONE),
        ready=bool(up) and all(_ready(trial, report) for report in up),
        tripped=any(_tripped(trial, report) for report in up),
        failed=_told(trial, failed, everywhere=len(failed) == len(up), now=now),
    )


def troubles(trial: Trial, reports: Sequence[Report]) -> tuple[str, ...]:
    """Return what keeps servers from trying a version, or from telling of it, as sentences."""
    away = [report.away for report in reports if report.away]
    up = [report for report in reports if not report.away]
    failed = [
        f"{report.endpoint} cannot load version {trial.challenger.number}: {failure.message}"
        for report in up
        if (failure := _failure(trial, report)) is not None
    ]
    loading = [
        f"{report.endpoint}: {serves.detail}"
        for report in up
        if (serves := report.models.get(trial.model)) is not None
        and serves.state is State.LOADING
        and serves.detail
        and not _ready(trial, report)
    ]
    return (*away, *failed, *loading)


def _ready(trial: Trial, report: Report) -> bool:
    serves = report.models.get(trial.model)
    tries = serves.challenger if serves is not None else None
    return tries is not None and (tries.digest, tries.since) == (
        trial.challenger.bundle_digest,
        trial.since,
    )


def _tripped(trial: Trial, report: Report) -> bool:
    serves = report.models.get(trial.model)
    return _ready(trial, report) and bool(
        serves and serves.challenger and serves.challenger.tripped
    )


def _failed(trial: Trial, reports: Sequence[Report]) -> Iterator[Unloaded]:
    for report in reports:
        if (failure := _failure(trial, report)) is not None:
            yield failure


def _failure(trial: Trial, report: Report) -> Unloaded | None:
    """Return why a server could not load the challenger at this step; None: it could."""
    serves = report.models.get(trial.model)
    failed = serves.failed if serves is not None else None
    if failed is None or failed.since != trial.since:
        return None
    own = failed.digest in (None, trial.challenger.bundle_digest)
    return failed if own and failed.version == trial.challenger.number else None


def _told(trial: Trial, failed: Sequence[Unloaded], *, everywhere: bool, now: datetime) -> str:
    """Return why a version cannot be loaded anywhere; empty: it can, or may soon be."""
    for failure in failed:
        missing = failure.reason in _MISSING and everywhere and now >= trial.began + _PATIENCE
        if failure.reason in _BROKEN or missing:
            return failure.message
    return ""
