"""Problems: what is wrong with a file, where, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


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
