"""The plan as text, for a terminal."""

from __future__ import annotations

import sys
from collections.abc import Collection

from reconciler.cli.ansi import printable, styled
from reconciler.core.estimate import spoken
from reconciler.core.outlook import Kind, Outlook, Row, Stage

_MARKS = {
    Kind.CREATE: ("+", "green"),
    Kind.RETRAIN: ("~", "yellow"),
    Kind.REJUDGE: ("?", "yellow"),
    Kind.RELEASE: (">", "green"),
    Kind.SERVE: ("^", "yellow"),
    Kind.RETIRE: ("-", "red"),
    Kind.BLOCKED: ("!", "red"),
    Kind.UNCHANGED: ("=", "dim"),
}


def show(outlook: Outlook) -> None:
    """Print the plan."""
    for note in outlook.notes:
        _line(f"note: {note}")
    _line(headline(outlook))
    width = max((len(row.model) for row in outlook.shown), default=0)
    for row in outlook.shown:
        _row(row, width, outlook.notes)
    if not any(row.acts for row in outlook.rows) and Kind.BLOCKED not in outlook.counts:
        sys.stdout.write(styled("Nothing to do.", "green") + "\n")
    _line(ending(outlook))


def _line(text: str) -> None:
    sys.stdout.write(f"{printable(text)}\n")


def _row(row: Row, width: int, said: Collection[str]) -> None:
    mark, style = _MARKS[row.kind]
    head = styled(f"{mark} {row.kind:<9} ", style) + styled(row.model.ljust(width), "bold")
    if row.kind is Kind.BLOCKED or (row.speaks and not row.changes):
        why = row.reason if row.message in said else f"{row.reason}: {row.message}"
        head += printable(f"  {why}")
    sys.stdout.write(f"{head.rstrip()}\n")
    for detail in _details(row):
        _line(f"      {detail}")


def headline(outlook: Outlook) -> str:
    """Return what is planned, in one line: the revisions and how many models there are of each."""
    counts = ", ".join(f"{count} {kind}" for kind, count in outlook.counts.items())
    return f"Plan for {_subject(outlook)}: {counts or 'no models'}"


def ending(outlook: Outlook) -> str:
    """Return the expected time, where it is known, and the plan's id."""
    said = expected(outlook)
    return f"{said}. Plan {outlook.id[:16]}" if said else f"Plan {outlook.id[:16]}"


def expected(outlook: Outlook) -> str:
    """Return how long the run is expected to take; empty when nothing trains."""
    untimed = f"{outlook.untimed} without a history" if outlook.untimed else ""
    if outlook.seconds is None:
        return f"Expected time unknown: {untimed}" if untimed else ""
    jobs = "1 job" if outlook.jobs == 1 else f"{outlook.jobs} jobs"
    more = f" and {untimed}" if untimed else ""
    return f"Expected time: {spoken(outlook.seconds)} with {jobs}{more}"


def staged(stage: Stage) -> str:
    """Return one stage with what is expected of it, such as `train (runs, 2.5 s)`."""
    said = f"{stage.result}: {stage.why}" if stage.why else str(stage.result)
    if stage.seconds is not None and stage.runs:
        said += f", {spoken(stage.seconds)}"
    return f"{stage.name} ({said})"


def _subject(outlook: Outlook) -> str:
    what = "the working tree" if outlook.uncommitted else outlook.revision[:10]
    return f"{what} from {outlook.base[:10]}" if outlook.base else what


def _details(row: Row) -> list[str]:
    lines = [str(change) for change in row.changes]
    if row.stages:
        lines.append(f"stages: {', '.join(staged(stage) for stage in row.stages)}")
    if row.gate:
        lines.append(f"gate: {row.gate}")
    if row.rollout:
        lines.append(f"rollout: {row.rollout}")
    if row.serve:
        lines.append(f"target: {row.serve}")
    return lines
