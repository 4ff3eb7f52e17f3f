"""`plan`: shows what apply would do, and reads only."""

from __future__ import annotations

import json
import sys
from collections import Counter
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from reconciler.adapters.runtime import installed
from reconciler.cli.options import Plain
from reconciler.cli.wiring import Site, open_site
from reconciler.controller.fleet import Fleet
from reconciler.controller.preview import Kind, Preview, Row
from reconciler.core.runtime import LIBRARIES, mismatches
from reconciler.errors import UsageError

_MARKS = {
    Kind.CREATE: ("+", "green"),
    Kind.RETRAIN: ("~", "yellow"),
    Kind.REJUDGE: ("?", "yellow"),
    Kind.RELEASE: (">", "green"),
    Kind.RETIRE: ("-", "red"),
    Kind.BLOCKED: ("!", "red"),
    Kind.UNCHANGED: ("=", "dim"),
}


def run(models: tuple[str, ...], rev: str, output: Plain, *, detailed: bool) -> int:
    """Return 0; with `detailed`, 2 when there are changes and 1 when a model is blocked."""
    site = open_site()
    fleet = site.fleet(rev)
    if output is Plain.TEXT:
        for note in site.uncommitted(fleet, rev):
            sys.stdout.write(f"note: {note}\n")
    preview = _preview(site, fleet)
    known = preview.names()
    if unknown := [name for name in models if name not in known]:
        hint = f"there are: {', '.join(known) or 'none'}"
        raise UsageError(f"no model is called {unknown[0]}", reason="UnknownModel", hint=hint)
    rows = [preview.row(name) for name in dict.fromkeys(models or known)]
    rows = [row for row in rows if models or row.reason != "Retired"]
    if output is Plain.JSON:
        plain = {"revision": fleet.revision, "models": [row.plain() for row in rows]}
        print(json.dumps(plain, indent=2, default=str))  # noqa: T201  the verb's own output
    else:
        _show(Console(), fleet, rows)
    return _code(rows) if detailed else 0


def _preview(site: Site, fleet: Fleet) -> Preview:
    declared = fleet.params.runtime
    return Preview(
        git=site.git,
        fleet=fleet,
        catalogue=site.catalogue,
        snapshot=site.store.read(),
        durations=site.durations(),
        mismatches=mismatches(declared, installed(tuple({*LIBRARIES, *declared}))),
        ask=site.ask,
        now=datetime.now(UTC),
    )


def _code(rows: list[Row]) -> int:
    kinds = {row.kind for row in rows}
    if Kind.BLOCKED in kinds:
        return 1
    return 2 if kinds - {Kind.UNCHANGED} else 0


def _show(console: Console, fleet: Fleet, rows: list[Row]) -> None:
    counts = Counter(row.kind for row in rows)
    summary = ", ".join(f"{counts[kind]} {kind}" for kind in _MARKS if counts[kind])
    console.print(f"Plan for {fleet.revision[:10]}: {summary or 'no models'}", highlight=False)
    if all(row.kind is Kind.UNCHANGED for row in rows):
        console.print("Nothing to do.", style="green")
        return
    width = max((len(row.model) for row in rows), default=0)
    for row in sorted(rows, key=lambda r: list(_MARKS).index(r.kind)):
        mark, style = _MARKS[row.kind]
        head = Text.assemble((f"{mark} {row.kind:<9} ", style), (row.model.ljust(width), "bold"))
        if row.kind is Kind.BLOCKED:
            head.append(f"  {row.reason}: {row.message}")
        console.print(head, soft_wrap=True, highlight=False)
        for line in _details(row):
            console.print(Text(f"      {line}"), soft_wrap=True, highlight=False)


def _details(row: Row) -> list[str]:
    lines = [str(change) for change in row.changes]
    if row.stages:
        timed = [_timed(stage, row.seconds.get(stage)) for stage in row.stages]
        lines.append(f"stages: {', '.join(timed)}")
    if row.gate:
        lines.append(f"gate: {row.gate}")
    return lines


def _timed(stage: str, seconds: float | None) -> str:
    return stage if seconds is None else f"{stage} (last {seconds:.1f} s)"
