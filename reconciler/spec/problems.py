"""Problems: what is wrong with a file, where, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

#: The way to a value from the top of a file.
Keys = tuple[str | int | float | bool, ...]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong, or doubtful, at one place of a file."""

    path: str
    """The file, relative to the repository's root."""
    line: int
    """From 1."""
    column: int
    """From 1."""
    key: str
    """Dotted path of the key, such as `spec.data.split.test`; empty for the file as a whole."""
    message: str
    """What was found and what was wanted."""
    hint: str = ""
    """The next step; empty when the message says it."""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}:{self.column}: "
        key = f"{self.key}: " if self.key else ""
        hint = f" ({self.hint})" if self.hint else ""
        mild = "warning: " if self.severity == "warning" else ""
        return f"{where}{mild}{key}{self.message}{hint}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem before it is known where in the file its key stands."""

    keys: Keys
    message: str
    hint: str = ""
    severity: Literal["error", "warning"] = "error"
    at_key: bool = False
    """Whether the key itself is meant, not its value."""


def dotted(keys: Keys) -> str:
    """Return the way to a value as people write it: `spec.acceptance[0].metric`."""
    parts = (f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return "".join(parts).removeprefix(".")


def nearest(word: str, known: Iterable[str], most: int = 3, likeness: float = 0.6) -> str:
    """Return `did you mean …?` with the most similar of the `known` words; empty for none."""
    from difflib import get_close_matches

    folded = {one.lower(): one for one in known}
    found = get_close_matches(word[:200].lower(), folded, most, likeness)
    return f"did you mean {' or '.join(folded[one] for one in found)}?" if found else ""


def shown(value: object) -> str:
    """Return `value` as one short piece of text, about as YAML writes it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list" if value else "an empty list"
        case _:
            text = repr(value)
            return text if len(text) <= 60 else f"{text[:57]}…"
