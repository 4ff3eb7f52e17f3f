"""Looking ahead: puts a plan together, from what a verb was asked to the whole outlook."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from reconciler import __version__
from reconciler.adapters.runtime import installed
from reconciler.cli.expectation import expect
from reconciler.cli.request import Request, unchanged
from reconciler.cli.wiring import Others, Site
from reconciler.controller.fleet import Fleet
from reconciler.controller.preview import Facts, Preview
from reconciler.controller.recall import Recalled, nothing
from reconciler.core import compilation
from reconciler.core.outlook import Kind, Outlook, Row
from reconciler.core.runtime import LIBRARIES, Mismatch, mismatches
from reconciler.errors import UsageError
from reconciler.spec.problems import Problem


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
    with _subject(site, request, known) as (place, others):
        fleet, snapshot = others.fleet, others.snapshot
        base = place.fleet(request.base) if request.base is not None else None
        preview = Preview(_facts(place, others, base))
        rows = _rows(preview, request, others.recalled)
        if request.plain and request.rev == "HEAD" and not request.models:
            site.remember(others, _plans(rows, others.recalled))
        expected = expect(
            place,
            fleet,
            snapshot.records,
            tuple(row for row in rows if request.models or row.reason != "Retired"),
            request.jobs,
            offline=request.offline,
        )
        return Outlook(
            revision=fleet.revision,
            rev=request.rev,
            rows=expected.rows,
            version=__version__,
            deployed=snapshot.commit,
            runtime=fleet.params.runtime,
            base=base.revision if base else None,
            uncommitted=request.uncommitted,
            chosen=request.models or None,
            problems=_problems(request, fleet, base),
            notes=_notes(place, request, others),
            jobs=request.jobs,
            seconds=expected.seconds,
            untimed=expected.untimed,
        )


@contextmanager
def _subject(site: Site, request: Request, known: Recalled | None) -> Iterator[tuple[Site, Others]]:
    """Give what is planned, and the repository in which its commit can be read."""
    if not request.uncommitted:
        commit = site.git.resolve(request.rev)
        yield site, site.others(commit, known or nothing(commit))
        return
    from reconciler.adapters.working_copy import working_copy

    with working_copy(site.git) as git:
        place = replace(site, git=git)
        commit = git.capture()
        yield place, place.others(commit, nothing(commit))


def _facts(site: Site, others: Others, base: Fleet | None) -> Facts:
    return Facts(
        git=site.git,
        fleet=others.fleet,
        catalogue=site.catalogue,
        snapshot=others.snapshot,
        # who plans a pull request need not be who carries it out
        mismatches=() if base else _mismatches(others.fleet),
        ask=site.ask,
        now=datetime.now(UTC),
        base=base,
    )


def _mismatches(fleet: Fleet) -> tuple[Mismatch, ...]:
    declared = fleet.params.runtime
    return mismatches(declared, installed(tuple({*LIBRARIES, *declared})))


def _rows(preview: Preview, request: Request, known: Recalled) -> tuple[Row, ...]:
    names = sorted({*preview.names(), *known.models})
    if unknown := [name for name in request.models if name not in names]:
        hint = f"there are: {', '.join(names) or 'none'}"
        raise UsageError(f"no model is called {unknown[0]}", reason="UnknownModel", hint=hint)
    return tuple(
        unchanged(known, name) if name in known.models else preview.row(name)
        for name in dict.fromkeys(request.models or names)
    )


def _plans(rows: Iterable[Row], known: Recalled) -> dict[str, tuple[str, str] | None]:
    """Return reason and message of each model that was looked at; None: it has a next step."""
    return {
        row.model: (row.reason, row.message) if row.kind is Kind.UNCHANGED else None
        for row in rows
        if row.model not in known.models
    }


def _problems(request: Request, fleet: Fleet, base: Fleet | None) -> tuple[Problem, ...]:
    """Return what is wrong with the specs that are planned, and was not before."""
    before = base.problems if base else ()
    paths = {compilation.spec_path(name) for name in request.models}
    return tuple(p for p in fleet.problems if p not in before and (not paths or p.path in paths))


def _notes(site: Site, request: Request, others: Others) -> tuple[str, ...]:
    if request.uncommitted:
        return ()
    if request.base is None:
        return site.beside(others.named(), request.rev, others.fleet.revision)
    differ = ", ".join(str(item) for item in _mismatches(others.fleet))
    return (
        (f"apply could not train with the libraries of this machine: {differ}",) if differ else ()
    )
