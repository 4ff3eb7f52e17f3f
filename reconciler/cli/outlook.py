"""Looking ahead: puts a plan together, from what a verb was asked to the whole outlook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from reconciler import __version__
from reconciler.adapters.machine import fair
from reconciler.adapters.runtime import installed
from reconciler.adapters.snapshot import Snapshot
from reconciler.cli.asking import asking
from reconciler.cli.expectation import expect
from reconciler.cli.request import Request, check_known, listed, unchanged
from reconciler.cli.served import LOOKED_AT, UNSERVED
from reconciler.cli.wiring import Others, Site
from reconciler.controller.fleet import Fleet
from reconciler.controller.guards import Guards, guarding
from reconciler.controller.healing import with_targets
from reconciler.controller.preview import Facts, Preview
from reconciler.controller.recall import Recalled, nothing
from reconciler.core import compilation
from reconciler.core.naming import some
from reconciler.core.outlook import Kind, Outlook, Row
from reconciler.core.runtime import LIBRARIES, Mismatch, mismatches
from reconciler.core.settled import Known
from reconciler.spec.problems import Problem

#: What may end in a release that is not one of an earlier version.
_RELEASING = frozenset({Kind.CREATE, Kind.RETRAIN, Kind.REJUDGE, Kind.RELEASE, Kind.RETIRE})


def look_ahead(site: Site, request: Request, known: Recalled | None = None) -> Outlook:
    """Return the plan that was asked for.

    Args:
        site: The repository.
        request: What is planned.
        known: Models that need no look; None: none is known.

    Raises:
        UsageError: A revision or a model is not known.
        SpecError: params.yaml or dvc.yaml, on which every model rests, cannot be followed.
    """
    if request.plain:
        return _of_commit(site, request, known or nothing(site.git.resolve(request.rev)))
    from reconciler.cli.whatif import what_if

    return what_if(site, request)


def planned(
    site: Site,
    request: Request,
    fleet: Fleet,
    snapshot: Snapshot,
    base: Fleet | None = None,
    settled: Mapping[str, Known] | None = None,
) -> tuple[Row, ...]:
    """Return the rows of models that must be looked at, those that were not asked for left out.

    Args:
        site: The repository, in which the fleets' commits can be read.
        request: What was asked.
        fleet: What is declared.
        snapshot: What is on record.
        base: What is taken as satisfied; who asks so need not be who carries it out, so that
            the libraries of this machine do not matter then.
        settled: Models that there are besides.

    Raises:
        UsageError: `UnknownModel`.
    """
    with asking(site, offline=request.offline) as ask:
        differing = () if base else libraries(fleet)
        now = datetime.now(UTC)
        facts = Facts(site.git, fleet, site.catalogue, snapshot, differing, ask, now, base, fair())
        preview = Preview(replace(facts, guards=_guards(site, request, facts, settled or {})))
        names = preview.names()
        check_known(request.models, {*names, *(settled or {})})
        return preview.rows(request.models or names)


def _guards(site: Site, request: Request, facts: Facts, settled: Mapping[str, Known]) -> Guards:
    """Return what keeps changes back, were apply run now."""
    fleet = facts.fleet
    if request.allow or fleet.revision == site.workspace.allowed():
        return Guards(fleet.params.freeze)
    what = "the working tree" if request.uncommitted else f"commit {fleet.revision[:7]}"
    others = sum(known.champion is not None for known in settled.values())
    return guarding(fleet, Preview(facts).fates(), what, others)


def outlook(
    site: Site,
    request: Request,
    fleet: Fleet,
    snapshot: Snapshot,
    rows: Sequence[Row],
    settled: Sequence[Row] = (),
    base: Fleet | None = None,
    notes: tuple[str, ...] = (),
) -> Outlook:
    """Return the whole plan: the rows with their stages, how long they take, what is wrong.

    Args:
        site: The repository, in which the fleet's commit can be read.
        request: What was asked.
        fleet: What is planned.
        snapshot: What is on record.
        rows: Of the models that were looked at.
        settled: Of those that need no look.
        base: What is taken as satisfied.
        notes: What is to be said above the plan.
    """
    shown = [row for row in rows if request.models or row.reason != "Retired"]
    expected = expect(site, fleet, snapshot.records, shown, request.jobs, offline=request.offline)
    return Outlook(
        revision=fleet.revision,
        rev=request.rev,
        rows=tuple(sorted((*settled, *expected.rows), key=lambda row: row.model)),
        version=__version__,
        deployed=snapshot.commit,
        runtime=fleet.params.runtime,
        base=base.revision if base else None,
        uncommitted=request.uncommitted,
        chosen=request.models or None,
        problems=_problems(request, fleet, base),
        notes=(*notes, *_kept_back(fleet, expected.rows)),
        jobs=request.jobs,
        seconds=expected.seconds,
        untimed=expected.untimed,
    )


def _kept_back(fleet: Fleet, rows: Sequence[Row]) -> tuple[str, ...]:
    """Return what holds back models, where their rows do not say so, or all at once would."""
    told = dict.fromkeys(row.message for row in rows if row.reason == "MassChange")
    guards, now = Guards(fleet.params.freeze), datetime.now(UTC)
    frozen: dict[str, list[str]] = {}
    for name in (row.model for row in rows if row.kind in _RELEASING):
        if (freeze := guards.frozen(name, now)) is not None:
            frozen.setdefault(str(freeze), []).append(name)
    return (*told, *(f"{some(names)}: {freeze}" for freeze, names in frozen.items()))


def libraries(fleet: Fleet) -> tuple[Mismatch, ...]:
    """Return the libraries that are not installed here as the fleet declares them."""
    declared = fleet.params.runtime
    return mismatches(declared, installed(tuple({*LIBRARIES, *declared})))


def _of_commit(site: Site, request: Request, known: Recalled) -> Outlook:
    """Return the plan of a commit against what is on record: what apply would carry out."""
    others = site.others(known.revision, known)
    known, fleet, snapshot = others.recalled, others.fleet, others.snapshot
    rows = planned(site, request, fleet, snapshot, settled=known.models)
    if request.rev == "HEAD" and not request.models:
        site.remember(others, {row.model: _at_rest(row) for row in rows})
    names = () if request.models else [name for name in known.models if listed(known, name)]
    settled = [unchanged(known, name) for name in names]
    rows, unseen = _served(site, rows, others, len(settled))
    notes = (*site.beside(others.named(), request.rev, fleet.revision), *site.apart(), *unseen)
    return outlook(site, request, fleet, snapshot, rows, settled, notes=notes)


def _at_rest(row: Row) -> tuple[str, str] | None:
    return (row.reason, row.message) if row.kind is Kind.UNCHANGED else None


def _served(
    site: Site, rows: tuple[Row, ...], others: Others, settled: int
) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """Return the rows with what their targets need; or a note that nothing is served here."""
    records, known = others.snapshot.records.values(), others.recalled.models.values()
    released = any(r.champion for r in records) or any(one.champion for one in known)
    if not released or len(rows) + settled > LOOKED_AT:
        return rows, ()
    serving = site.serving(others.fleet)
    declared = {others.fleet.target(row.model) for row in rows}
    targets = {t for t in (*declared, *(one.target for one in known if one.champion)) if t}
    if serving.unused(targets):
        return rows, (UNSERVED,)
    rows = with_targets(rows, serving, others.fleet, others.snapshot)
    waiting: dict[str, list[str]] = {}
    for row in rows:
        if row.serve and row.kind is Kind.UNCHANGED:
            waiting.setdefault(row.serve, []).append(row.model)
    return rows, tuple(f"{some(names)}: {said}" for said, names in waiting.items())


def _problems(request: Request, fleet: Fleet, base: Fleet | None) -> tuple[Problem, ...]:
    """Return what is wrong with the specs that are planned, and was not before."""
    before = base.problems if base else ()
    paths = {compilation.spec_path(name) for name in request.models}
    return tuple(p for p in fleet.problems if p not in before and (not paths or p.path in paths))
