"""What a plan expects: where the result of each stage is, and how long the run will take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.adapters import dvc_config
from reconciler.adapters.remote_look import RemoteLook
from reconciler.cli.wiring import Site
from reconciler.controller.authored import Authored
from reconciler.controller.fleet import Fleet
from reconciler.controller.forecast import Forecaster, Remote, Silent
from reconciler.controller.memory import blocks
from reconciler.core.estimate import makespan, typical
from reconciler.core.outlook import Kind, Row, Stage
from reconciler.core.record import Record
from reconciler.errors import TransientError

#: Seconds in which the remote must have answered.
PATIENCE_S = 10.0
#: Runs that a stage's time is told from.
_RUNS = 5

_TRAINS = frozenset({Kind.CREATE, Kind.RETRAIN})


@dataclass(frozen=True, slots=True)
class Expectation:
    """Rows with their stages, and what the run comes to."""

    rows: tuple[Row, ...]
    seconds: float | None
    """Of the whole run; None: nothing runs, or of nothing that runs is it known."""
    untimed: int
    """Models that train and have no history; they are not part of `seconds`."""


def expect(
    site: Site,
    fleet: Fleet,
    records: Mapping[str, Record],
    rows: Sequence[Row],
    jobs: int,
    *,
    offline: bool,
) -> Expectation:
    """Return the rows with their stages; only models that train are looked at.

    Args:
        site: The repository, with `fleet`'s commit in it.
        fleet: What is planned.
        records: What is on record.
        rows: The plan.
        jobs: Trainings at a time.
        offline: Leave the remote alone.
    """
    names = [row.model for row in rows if row.kind in _TRAINS]
    if not names:
        return Expectation(tuple(rows), None, 0)
    authored = Authored(site.git, fleet)
    known = {name: [*authored.blocks(name), *blocks(records.get(name))] for name in names}
    store = dvc_config.cache_dir(site.root)
    forecast = Forecaster(site.git, fleet, store, _remote(site, offline=offline)).stages(known)
    times = _times(site, names, records)
    staged = tuple(
        replace(row, stages=_timed(forecast[row.model], times[row.model]))
        if row.model in forecast
        else row
        for row in rows
    )
    running = [row for row in staged if any(stage.runs for stage in row.stages)]
    seconds = [row.seconds for row in sorted(running, key=lambda row: row.model)]
    timed = [s for s in seconds if s is not None]
    total = makespan(timed, jobs) if timed else None
    return Expectation(staged, total, len(seconds) - len(timed))


def _remote(site: Site, *, offline: bool) -> Remote | Silent | None:
    remote = RemoteLook(site.root, PATIENCE_S)
    if not remote.configured:
        return None
    return Silent("the remote was not asked") if offline else remote


def _timed(stages: Sequence[Stage], times: Mapping[str, Sequence[float]]) -> tuple[Stage, ...]:
    return tuple(replace(s, seconds=typical(times.get(s.name, ())[-_RUNS:])) for s in stages)


def _times(
    site: Site, names: Sequence[str], records: Mapping[str, Record]
) -> dict[str, dict[str, Sequence[float]]]:
    """Return how long stages took: as measured here, else as the records say."""
    here = _measured(site, names)
    found = {}
    for name in names:
        record = records.get(name)
        told: dict[str, list[float]] = {}
        for version in record.versions if record else ():
            for stage, seconds in version.seconds.items():
                told.setdefault(stage, []).append(seconds)
        found[name] = {**told, **here.get(name, {})}
    return found


def _measured(site: Site, names: Sequence[str]) -> Mapping[str, Mapping[str, Sequence[float]]]:
    if not site.workspace.status.exists():
        return {}
    try:
        return site.status.durations(names)
    except TransientError:  # it costs the times, and nothing else
        return {}
