"""The plan as a comment on a pull request: a table, and what there is to know of each model.

A host refuses a comment that is too long. So the comment has a budget: what matters most takes
its share first, rows are left out whole, and how many were is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from reconciler.cli.escaping import code
from reconciler.cli.plan_text import expected
from reconciler.core.estimate import spoken
from reconciler.core.outlook import Kind, Outlook, Row, Stage
from reconciler.errors import ReconcilerError
from reconciler.spec.problems import Problem

T = TypeVar("T")

#: The first line of every comment of ours: by it, a later run finds the comment to update.
MARKER = "<!-- reconciler-plan -->"
#: Characters of a comment, below the 65,536 of GitHub.
LIMIT = 60_000

_PROBLEMS, _TABLE = 10_000, 28_000
_FIELDS, _RULES = 4_000, 3_000
_NOTES = 5
_WORD, _WHY, _SENTENCE = 60, 90, 200

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
    problems = _listed(outlook.problems, _problem, _PROBLEMS)
    table = _listed(outlook.shown, _line, _TABLE)
    room -= len(problems.text) + len(table.text)
    details = _listed([row for row in outlook.shown if _speaks(row)], _details, room)
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


def _listed(items: Sequence[T], show: Callable[[T], str], room: int) -> _Listed:
    """Return the items from the first on that fit into `room` characters."""
    taken: list[str] = []
    for item in items:
        piece = show(item)
        if len(piece) > room:
            break
        taken.append(piece)
        room -= len(piece)
    return _Listed("".join(taken), len(items) - len(taken))


def _problem(problem: Problem) -> str:
    return f"- {code(str(problem), 500)}\n"


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
    return f"{code(stage.name, _WORD)} {stage.result}"


def _speaks(row: Row) -> bool:
    """Return whether there is more to say of a model than its row does."""
    told = row.changes or row.stages or row.verdict or row.rollout or row.serve
    return bool(told or row.kind is Kind.BLOCKED)


def _details(row: Row) -> str:
    """Return what is folded below the table for one model: one line of HTML."""
    parts = [*_message(row), *_changes(row), *_stages(row), *_evidence(row)]
    head = f"<summary>{code(row.model, _WORD)}: {row.kind}</summary>"
    return f"<details>{head}{''.join(parts)}</details>\n"


def _message(row: Row) -> list[str]:
    said = [row.message] if row.kind is Kind.BLOCKED else []
    said += [f"rollout: {row.rollout}"] if row.rollout else []
    said += [f"target: {row.serve}"] if row.serve else []
    return [f"<p>{code(text, 1_000)}</p>" for text in said]


def _changes(row: Row) -> list[str]:
    cells = [(c.field, _value(c.old), _value(c.new)) for c in row.changes]
    return _table(("field", "old", "new"), cells, _FIELDS)


def _stages(row: Row) -> list[str]:
    cells = [(s.name, f"{s.result}{': ' if s.why else ''}{s.why}", _took(s)) for s in row.stages]
    return _table(("stage", "result", "took before"), cells, _RULES)


def _evidence(row: Row) -> list[str]:
    if row.verdict is None:
        return []
    said = f"version {row.verdict['version']} {row.verdict['outcome']}: {row.verdict['message']}"
    cells = [(_asked(e), str(e["outcome"]), str(e["message"])) for e in row.verdict["evidence"]]
    table = _table(("rule", "outcome", "evidence"), cells, _RULES)
    return [f"<p>{code(said, _SENTENCE)}</p>", *table]


def _asked(evidence: Mapping[str, Any]) -> str:
    rule = ", ".join(f"{key}: {value}" for key, value in evidence["threshold"].items())
    where = f" of {evidence['slice']} {evidence['slice_value']}" if evidence["slice"] else ""
    return f"{evidence['metric']}{where} {rule}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> list[str]:
    if not rows:
        return []
    top = "".join(f"<th>{name}</th>" for name in head)
    body = _listed(rows, _cells, room)
    more = f"<p>and {body.left_out} more</p>" if body.left_out else ""
    return [f"<table><tr>{top}</tr>{body.text}</table>{more}"]


def _cells(row: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<td>{code(cell, _SENTENCE)}</td>' for cell in row)}</tr>"


def _value(value: object) -> str:
    return "(none)" if value is None else str(value)


def _took(stage: Stage) -> str:
    return "" if stage.seconds is None else spoken(stage.seconds)
