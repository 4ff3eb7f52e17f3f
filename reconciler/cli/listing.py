"""`status` of the whole fleet: one line per model.

Models of which nothing has changed are listed as they are remembered; what parses specs and
records is imported for the others alone.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from reconciler.cli.ansi import columns, printable
from reconciler.cli.wiring import Site, open_site
from reconciler.core.naming import some
from reconciler.core.settled import Shown
from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from reconciler.controller.recall import Recalled

_HEADER = ("MODEL", "SYNC", "HEALTH", "V", "TRAINED", "METRIC", "REVISION")
_SYNC = {"Synced": "green", "OutOfSync": "yellow"}
_HEALTH = {"Healthy": "green", "Progressing": "yellow", "Degraded": "red", "Missing": "red"}


class Line(NamedTuple):
    """What is listed of a model."""

    sync: str
    health: str
    champion: Shown | None
    detail: str
    """What is to be said below the table; empty: nothing."""


#: Sync, health and detail of each model when it was last looked at.
Seen = Mapping[str, tuple[str, str, str]]


def run() -> int:
    """Print the list, and below it what is not as declared; return 0."""
    site = open_site()
    lines = _lines(site)
    if not lines:
        retired = "Every model on record is retired; `reconciler history MODEL` has its versions.\n"
        nothing_yet = "Nothing is recorded yet; `reconciler apply` begins.\n"
        sys.stdout.write(retired if site.store.names() else nothing_yet)
        return 0
    now = datetime.now(UTC)
    rows = [_row(name, line, now) for name, line in sorted(lines.items())]
    nothing: dict[str, str] = {}
    styles = [nothing, _SYNC, _HEALTH, nothing, nothing, nothing, nothing]
    sys.stdout.write(columns(_HEADER, rows, styles))
    details: dict[str, list[str]] = {}
    for name, line in sorted(lines.items()):
        if line.detail:
            details.setdefault(line.detail, []).append(name)
    for detail, names in details.items():
        sys.stdout.write(f"{printable(f'{some(names)}: {detail}')}\n")
    return 0


def _lines(site: Site) -> dict[str, Line]:
    seen = site.seen()
    lines = {name: remembered(one) for name, one in seen.items()}
    try:
        commit = site.git.resolve("HEAD")
        recalled = site.recall(commit)
        others = None if recalled.whole else site.others(commit, recalled)
    except ReconcilerError as error:  # HEAD cannot be followed: nobody can tell who is in step
        from reconciler.cli.listed import recorded

        lines |= recorded(site.store.read(), seen)
        return {n: line._replace(sync="Unknown", detail=str(error)) for n, line in lines.items()}
    gone = {name for name, known in recalled.models.items() if known.reason == "Retired"}
    lines |= _settled(others.recalled if others else recalled, seen)
    if others is not None:
        from reconciler.cli.listed import planned

        fresh, retired = planned(site, others, seen)
        lines, gone = lines | fresh, (gone - fresh.keys()) | retired
    return {name: line for name, line in lines.items() if name not in gone}


def _settled(recalled: Recalled, seen: Seen) -> dict[str, Line]:
    return {
        name: Line("Synced", seen[name][1] if name in seen else "Unknown", known.champion, "")
        for name, known in recalled.models.items()
    }


def remembered(seen: tuple[str, str, str], champion: Shown | None = None) -> Line:
    """Return the line of a model as it was last seen."""
    sync, health, detail = seen
    return Line(sync, health, champion, "" if sync == "Synced" else detail)


def _row(name: str, line: Line, now: datetime) -> tuple[str, ...]:
    champion = line.champion
    if champion is None:
        return (name, line.sync, line.health, "-", "-", "-", "-")
    return (
        name,
        line.sync,
        line.health,
        str(champion.number),
        age(champion.created, now),
        champion.metric,
        champion.revision[:7],
    )


def age(created: str | None, now: datetime) -> str:
    """Return how long ago something was, such as `3 d ago`; `-` where it never was."""
    if created is None:
        return "-"
    seconds = (now - datetime.fromisoformat(created)).total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return "just now"
