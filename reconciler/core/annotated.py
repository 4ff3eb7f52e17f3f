"""Annotated YAML: lines with a comment beside each, aligned."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.core.blocks import scalar

#: Where comments start at the latest, and where lines end.
_COLUMN, _WIDTH = 46, 100


@dataclass(frozen=True, slots=True)
class Line:
    """One line of YAML, or none, and a comment."""

    text: str
    """With its indentation; empty or blank: the comment stands alone."""
    comment: str = ""


def aligned(lines: Iterable[Line]) -> str:
    """Return the lines as one text, their comments below each other.

    A comment that does not fit beside its line stands above it.
    """
    kept = tuple(lines)
    widths = [len(line.text) for line in kept if line.comment and len(line.text) < _COLUMN - 1]
    column = max(widths, default=0) + 2
    return "".join(f"{part}\n" for line in kept for part in _parts(line, column))


def _parts(line: Line, column: int) -> list[str]:
    comment = " ".join(_printable(line.comment).split())
    if not comment:
        return [line.text]
    beside = f"{line.text:<{column - 2}}  # {comment}"
    if line.text.strip() and len(beside) <= _WIDTH:
        return [beside]
    indent = line.text[: len(line.text) - len(line.text.lstrip())]
    wrapped = textwrap.wrap(comment, _WIDTH - len(indent) - 2, break_on_hyphens=False)
    above = [f"{indent}# {part}" for part in wrapped]
    return [*above, line.text] if line.text.strip() else above


def value(plain: Any) -> str:
    """Return a plain value as YAML on one line, which reads back as the same value."""
    match plain:
        case bool():
            return "true" if plain else "false"
        case None:
            return "null"
        case int():
            return str(plain)
        case float():
            return json.dumps(plain) if abs(plain) < 1e15 else f"{plain:.17g}"
        case str():
            return scalar(plain)
        case Mapping():
            return "{" + ", ".join(f"{scalar(str(k))}: {value(v)}" for k, v in plain.items()) + "}"
        case _:
            return "[" + ", ".join(value(one) for one in plain) + "]"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c.isspace() else "\ufffd" for c in text)
