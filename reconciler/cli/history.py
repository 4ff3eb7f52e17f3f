"""`history`: every version of a model, and every commit that decided about it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from reconciler.adapters.log import Logged
from reconciler.cli.options import Plain
from reconciler.cli.subject import subject
from reconciler.core.notes import Note
from reconciler.core.record import Outcome, Record, Version

_STYLES = {
    Outcome.RELEASED: "green",
    Outcome.ACCEPTED: "yellow",
    Outcome.SUPERSEDED: "dim",
    Outcome.CANCELLED: "dim",
    Outcome.INCONCLUSIVE: "yellow",
}
_METRICS = 2
#: Columns of a table that no terminal bounds.
_WIDE = 160


def run(model: str, output: Plain) -> int:
    """Return 0; an unknown model is a usage error."""
    about = subject(model)
    commits = about.store.history(model)
    versions = about.record.versions if about.record else ()
    if output is Plain.JSON:
        plain = {
            "model": model,
            "versions": [_plain(version) for version in reversed(versions)],
            "holds": [h.model_dump(mode="json") for h in about.record.holds]
            if about.record
            else [],
            "commits": [_commit(logged, note) for logged, note in commits],
        }
        sys.stdout.write(json.dumps(plain, indent=2) + "\n")
    else:
        wide = None if sys.stdout.isatty() else _WIDE
        _show(Console(width=wide), model, about.record, commits)
    return 0


def _plain(version: Version) -> dict[str, Any]:
    fields = {
        "number", "outcome", "reason", "message", "fingerprint", "revision", "created", "bundle",
        "metrics", "promotion", "seconds", "warnings",
    }  # fmt: skip
    return {**version.model_dump(mode="json", include=fields), "said": _said(version)}


def _commit(logged: Logged, note: Note) -> dict[str, Any]:
    told = {key.lower(): value for key, value in note.trailers}
    return {
        "commit": logged.oid,
        "when": logged.when.isoformat(),
        "who": logged.author.name,
        "email": logged.author.email,
        "what": note.subject,
        **{key: told.get(key) for key in ("version", "revision", "verdict", "reason")},
    }


def _show(
    console: Console,
    model: str,
    record: Record | None,
    commits: Sequence[tuple[Logged, Note]],
) -> None:
    if record is None and not commits:
        console.print(
            f"nothing of {model} is on record yet; `reconciler why {model}` says what it waits for",
            soft_wrap=True, highlight=False, markup=False,
        )  # fmt: skip
        return
    if record is not None:
        _versions(console, record)
        for hold in record.holds:
            console.print(Text(str(hold)), style="yellow", soft_wrap=True)
    _commits(console, commits)


def _grid(*columns: str) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for column in columns:
        grid.add_column(column, no_wrap=column not in ("WHY", "WHAT"))
    return grid


def _versions(console: Console, record: Record) -> None:
    grid = _grid("VERSION", "OUTCOME", "TRIED", "REVISION", "METRICS", "WHY")
    for version in reversed(record.versions):
        grid.add_row(
            str(version.number),
            Text(version.outcome.value, _STYLES.get(version.outcome, "red")),
            f"{version.created:%Y-%m-%d %H:%M}",
            version.revision[:7],
            _metrics(version),
            Text(_said(version)),
        )
    console.print(grid)


def _commits(console: Console, commits: Sequence[tuple[Logged, Note]]) -> None:
    grid = _grid("WHEN", "WHO", "WHAT", "COMMIT")
    for logged, note in commits:
        reason = dict(note.trailers).get("Reason")
        said = f"{note.subject}: {reason}" if reason else note.subject
        when = f"{logged.when:%Y-%m-%d %H:%M}"
        grid.add_row(when, Text(logged.author.name), Text(said), logged.oid[:7])
    console.print(grid)


def _metrics(version: Version) -> str:
    """Return the metrics that were asked for, as many as a line holds."""
    evidence = (version.verdict or {}).get("evidence", ())
    asked = dict.fromkeys(str(item["metric"]) for item in evidence)
    known = [name for name in asked if name in version.metrics] or list(version.metrics)
    return ", ".join(f"{name} {version.metrics[name]:.4g}" for name in known[:_METRICS])


def _said(version: Version) -> str:
    if version.promotion is not None:
        return f"promoted by {version.promotion.by}: {version.promotion.reason}"
    return version.message or str((version.verdict or {}).get("message", ""))
