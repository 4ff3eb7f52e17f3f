"""The plan as a comment on a pull request: a table, and what there is to know of each model.

A host refuses a comment that is too long. So the comment has a budget: what matters most takes
its share first, rows are left out whole, and how many were is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from reconciler.cli.escaping import code, inert, shortened
from reconciler.cli.plan_text import expected
from reconciler.core.estimate import spoken
from reconciler.core.outlook import Kind, Outlook, Row, Stage
from reconciler.errors import ReconcilerError

#: The first line of every comment of ours: by it, a later run finds the comment to update.
MARKER = "<!-- reconciler-plan -->"
#: Characters of a comment, below the 65,536 of GitHub.
LIMIT = 60_000

_PROBLEMS = 10_000
_TABLE = 30_000
_FIELDS, _RULES, _NOTES = 30, 20, 10
_WORD, _WHY, _SENTENCE = 60, 90, 300

_HEAD = "| model | action | why | stages | expected | gate |\n|---|---|---|---|---|---|\n"


@dataclass(frozen=True, slots=True)
class _Listed:
    """As many pieces as fit, each whole, and how many did not."""

    text: str
    left_out: int


def comment(outlook: Outlook) -> str:
    """Return the plan in Markdown, shorter than `LIMIT` whatever the fleet."""
    opening = f"{MARKER}\n### {_title(outlook)}\n\n{_notes(outlook)}"
    closing = _closing(outlook)
    room = LIMIT - len(opening) - len(closing) - 1_000  # the headings and counts in between
    problems = _listed(map(_problem, map(str, outlook.problems)), min(_PROBLEMS, room))
    room -= len(problems.text)
    table = _listed(map(_line, outlook.shown), min(_TABLE, room))
    room -= len(table.text)
    details = _listed(filter(None, map(_details, outlook.shown)), room)
    return "".join(
        [
            opening,
            _section("**Not valid:**\n\n", problems, "problem"),
            _section(_HEAD, table, "model"),
            _section("", details, "model", "The details of "),
            closing,
        ]
    )


def failed(error: ReconcilerError) -> str:
    """Return the comment that says why there is no plan."""
    hint = f"\n\n{code(error.hint, _SENTENCE)}" if error.hint else ""
    return f"{MARKER}\n### No plan\n\n{code(error.message, 4_000)}{hint}\n"


def _title(outlook: Outlook) -> str:
    counts = [f"{n} {kind}" for kind, n in outlook.counts.items() if kind is not Kind.UNCHANGED]
    return f"Plan: {', '.join(counts)}" if counts else "Plan: nothing to do"


def _notes(outlook: Outlook) -> str:
    notes = [f"> {code(note, _SENTENCE)}\n>\n" for note in outlook.notes[:_NOTES]]
    return "".join(notes) + ("\n" if notes else "")


def _closing(outlook: Outlook) -> str:
    subject = "the working tree" if outlook.uncommitted else code(outlook.revision[:10])
    base = f" onto {code(outlook.base[:10])}" if outlook.base else ""
    said = expected(outlook)
    rest = f"{outlook.counts.get(Kind.UNCHANGED, 0)} unchanged"
    parts = [f"{subject}{base}", rest, *([said] if said else []), f"plan {code(outlook.id[:16])}"]
    return f"<sub>{' · '.join(parts)}</sub>\n"


def _section(head: str, listed: _Listed, noun: str, before: str = "") -> str:
    if not listed.text and not listed.left_out:
        return ""
    more = ""
    if listed.left_out:
        plural = noun if listed.left_out == 1 else f"{noun}s"
        more = f"\n{before}{listed.left_out} more {plural} do not fit here.\n"
    return f"{head if listed.text else ''}{listed.text}{more}\n"


def _listed(pieces: Iterable[str], room: int) -> _Listed:
    """Return the pieces from the first on that fit into `room` characters."""
    taken: list[str] = []
    rest = iter(pieces)
    for piece in rest:
        if len(piece) > room:
            return _Listed("".join(taken), 1 + sum(1 for _ in rest))
        taken.append(piece)
        room -= len(piece)
    return _Listed("".join(taken), 0)


def _problem(text: str) -> str:
    return f"- {code(text, 500)}\n"


def _line(row: Row) -> str:
    cells = [
        code(row.model, _WORD),
        str(row.kind),
        _why(row),
        "<br>".join(map(_stage, row.stages)),
        "" if row.seconds is None or not row.stages else spoken(row.seconds),
        code(row.gate, _WHY) if row.gate else "",
    ]
    return f"| {' | '.join(cells)} |\n"


def _why(row: Row) -> str:
    if not row.changes or row.kind is Kind.BLOCKED:
        return code(row.message or row.reason, _WHY)
    shown = "<br>".join(code(str(change), _WHY) for change in row.changes[:2])
    more = len(row.changes) - 2
    return f"{shown}<br>and {more} more" if more > 0 else shown


def _stage(stage: Stage) -> str:
    return f"{inert(shortened(stage.name, _WORD))}: {stage.result}"


def _details(row: Row) -> str:
    """Return what is folded below the table for one model: one line of HTML; empty for nothing."""
    parts = [*_message(row), *_changes(row), *_stages(row), *_evidence(row)]
    if not parts:
        return ""
    head = f"<summary>{code(row.model, _WORD)}: {row.kind}</summary>"
    return f"<details>{head}{''.join(parts)}</details>\n"


def _message(row: Row) -> list[str]:
    said = [row.message] if row.kind is Kind.BLOCKED else []
    said += [f"target: {row.serve}"] if row.serve else []
    return [f"<p>{code(text, 1_000)}</p>" for text in said]


def _changes(row: Row) -> list[str]:
    if not row.changes:
        return []
    cells = ((c.field, _value(c.old), _value(c.new)) for c in row.changes[:_FIELDS])
    return [_table(("field", "old", "new"), cells), *_more(len(row.changes) - _FIELDS, "field")]


def _stages(row: Row) -> list[str]:
    if not row.stages:
        return []
    cells = (
        (s.name, f"{s.result}: {s.why}" if s.why else str(s.result), _seconds(s))
        for s in row.stages
    )
    return [_table(("stage", "result", "took before"), cells)]


def _evidence(row: Row) -> list[str]:
    if row.verdict is None:
        return []
    evidence = row.verdict["evidence"]
    said = f"version {row.verdict['version']} {row.verdict['outcome']}: {row.verdict['message']}"
    cells = ((_asked(e), e["outcome"], e["message"]) for e in evidence[:_RULES])
    head = ("rule", "outcome", "evidence")
    return [
        f"<p>{code(said, _SENTENCE)}</p>",
        _table(head, cells),
        *_more(len(evidence) - _RULES, "rule"),
    ]


def _asked(evidence: dict[str, Any]) -> str:
    rule = ", ".join(f"{key}: {value}" for key, value in evidence["threshold"].items())
    where = f" of {evidence['slice']} {evidence['slice_value']}" if evidence["slice"] else ""
    return f"{evidence['metric']}{where} {rule}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th>{name}</th>" for name in head)
    body = chain.from_iterable(
        ("<tr>", *(f"<td>{code(cell, _SENTENCE)}</td>" for cell in row), "</tr>") for row in rows
    )
    return f"<table><tr>{top}</tr>{''.join(body)}</table>"


def _more(count: int, noun: str) -> list[str]:
    return [f"<p>and {count} more {noun if count == 1 else f'{noun}s'}</p>"] if count > 0 else []


def _value(value: object) -> str:
    return "(none)" if value is None else str(value)


def _seconds(stage: Stage) -> str:
    return "" if stage.seconds is None else spoken(stage.seconds)
