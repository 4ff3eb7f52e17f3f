"""Looking ahead: puts a plan together, from what a verb was asked to the whole outlook."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from reconciler import __version__
from reconciler.adapters.runtime import installed
from reconciler.cli.expectation import expect
from reconciler.cli.wiring import Site
from reconciler.controller.fleet import Fleet
from reconciler.controller.preview import Facts, Preview
from reconciler.core import compilation
from reconciler.core.outlook import Outlook, Row
from reconciler.core.runtime import LIBRARIES, Mismatch, mismatches
from reconciler.errors import UsageError
from reconciler.spec.problems import Problem


@dataclass(frozen=True, slots=True)
class Request:
    """What is planned, and against what."""

    models: tuple[str, ...] = ()
    """Only these; none: all."""
    rev: str = "HEAD"
    base: str | None = None
    """The revision whose declaration is taken as satisfied; None: the records are what counts."""
    uncommitted: bool = False
    """The working tree as it stands, in place of `rev`."""
    offline: bool = False
    jobs: int = 1


def request(
    models: Sequence[str] | None,
    rev: str | None,
    base: str | None,
    jobs: int | None,
    *,
    uncommitted: bool,
    offline: bool,
) -> Request:
    """Return the request that the options of the command line come to.

    Raises:
        UsageError: They contradict each other.
    """
    if uncommitted and rev is not None:
        raise UsageError(
            "--uncommitted plans the working tree, --to a commit: give one of them",
            reason="Contradiction",
        )
    places = jobs or os.cpu_count() or 1
    return Request(tuple(models or ()), rev or "HEAD", base, uncommitted, offline, places)


def look_ahead(site: Site, request: Request) -> Outlook:
    """Return the plan that was asked for.

    Raises:
        UsageError: A revision or a model is not known.
        SpecError: params.yaml or dvc.yaml, on which every model rests, cannot be followed.
    """
    with _subject(site, request) as (place, fleet):
        base = place.fleet(request.base) if request.base is not None else None
        preview = Preview(_facts(place, fleet, base))
        expected = expect(
            place,
            fleet,
            place.store.read().records,
            _rows(preview, request),
            request.jobs,
            offline=request.offline,
        )
        return Outlook(
            revision=fleet.revision,
            rev=request.rev,
            rows=expected.rows,
            version=__version__,
            deployed=place.store.read().commit,
            runtime=fleet.params.runtime,
            base=base.revision if base else None,
            uncommitted=request.uncommitted,
            chosen=request.models or None,
            problems=_problems(request, fleet, base),
            notes=_notes(place, request, fleet),
            jobs=request.jobs,
            seconds=expected.seconds,
            untimed=expected.untimed,
        )


@contextmanager
def _subject(site: Site, request: Request) -> Iterator[tuple[Site, Fleet]]:
    """Give what is planned, and the repository in which its commit can be read."""
    if not request.uncommitted:
        yield site, site.fleet(request.rev)
        return
    from reconciler.adapters.working_copy import working_copy

    with working_copy(site.git) as git:
        place = replace(site, git=git)
        yield place, place.fleet(git.capture())


def _facts(site: Site, fleet: Fleet, base: Fleet | None) -> Facts:
    return Facts(
        git=site.git,
        fleet=fleet,
        catalogue=site.catalogue,
        snapshot=site.store.read(),
        # who plans a pull request need not be who carries it out
        mismatches=() if base else _mismatches(fleet),
        ask=site.ask,
        now=datetime.now(UTC),
        base=base,
    )


def _mismatches(fleet: Fleet) -> tuple[Mismatch, ...]:
    declared = fleet.params.runtime
    return mismatches(declared, installed(tuple({*LIBRARIES, *declared})))


def _rows(preview: Preview, request: Request) -> tuple[Row, ...]:
    known = preview.names()
    if unknown := [name for name in request.models if name not in known]:
        hint = f"there are: {', '.join(known) or 'none'}"
        raise UsageError(f"no model is called {unknown[0]}", reason="UnknownModel", hint=hint)
    rows = (preview.row(name) for name in dict.fromkeys(request.models or known))
    return tuple(row for row in rows if request.models or row.reason != "Retired")


def _problems(request: Request, fleet: Fleet, base: Fleet | None) -> tuple[Problem, ...]:
    """Return what is wrong with the specs that are planned, and was not before."""
    before = base.problems if base else ()
    paths = {compilation.spec_path(name) for name in request.models}
    return tuple(p for p in fleet.problems if p not in before and (not paths or p.path in paths))


def _notes(site: Site, request: Request, fleet: Fleet) -> tuple[str, ...]:
    if request.uncommitted:
        return ()
    if request.base is None:
        return site.uncommitted(fleet, request.rev)
    differ = ", ".join(str(item) for item in _mismatches(fleet))
    return (
        (f"apply could not train with the libraries of this machine: {differ}",) if differ else ()
    )
