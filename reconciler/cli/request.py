"""What a plan is asked for, and an answer from memory where nothing needs a look.

Nothing is imported here that parses, validates or draws: most plans find nothing to do.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler import __version__
from reconciler.cli.served import astray, unserved
from reconciler.cli.unknown import unknown
from reconciler.core.outlook import Kind, Outlook, Row
from reconciler.errors import UsageError

if TYPE_CHECKING:
    from reconciler.cli.wiring import Site
    from reconciler.controller.recall import Recalled


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
    allow: bool = False
    """What the guard against mass changes would hold back is planned too."""

    @property
    def plain(self) -> bool:
        """Whether a commit is planned against what is on record."""
        return self.base is None and not self.uncommitted


def request(
    models: Sequence[str] | None,
    rev: str | None,
    base: str | None,
    jobs: int | None,
    *,
    uncommitted: bool,
    offline: bool,
    allow: bool,
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
    chosen = tuple(dict.fromkeys(models or ()))
    return Request(chosen, rev or "HEAD", base, uncommitted, offline, places, allow)


def recalled(site: Site, request: Request) -> Recalled | None:
    """Return the models that need no look; None: the request is not about a commit alone."""
    if not request.plain:
        return None
    known = site.recall(site.git.resolve(request.rev))
    return known.without(astray(site, known, request.models))


def check_known(models: Collection[str], known: Collection[str]) -> None:
    """Refuse a model that is neither declared nor on record.

    Raises:
        UsageError: `UnknownModel`.
    """
    if missing := [name for name in models if name not in known]:
        raise unknown(missing[0], known)


def from_memory(site: Site, request: Request, known: Recalled) -> Outlook | None:
    """Return the plan of models that are all settled; None: one of them must be looked at."""
    models = known.models
    if not (models.keys() >= set(request.models) if request.models else known.whole):
        return None
    chosen = request.models or tuple(name for name in sorted(models) if listed(known, name))
    return Outlook(
        revision=known.revision,
        rev=request.rev,
        rows=tuple(unchanged(known, name) for name in chosen),
        version=__version__,
        deployed=known.deployed,
        runtime=known.runtime,
        chosen=request.models or None,
        notes=(
            *site.beside(known.named(), request.rev, known.revision),
            *unserved(site, known, chosen),
        ),
        jobs=request.jobs,
    )


def listed(known: Recalled, name: str) -> bool:
    """Return whether a settled model is listed among all: one that is retired is not."""
    return known.models[name].reason != "Retired"


def unchanged(known: Recalled, name: str) -> Row:
    """Return the row of a model that is settled."""
    return Row(name, Kind.UNCHANGED, known.models[name].reason, known.models[name].message)
