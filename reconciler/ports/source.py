"""Sources: where the daemon learns which commit is followed, and where the records stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Sighting:
    """Two refs at one moment; the objects they name are at hand."""

    revision: str | None
    """The commit that is followed, in full; None: its branch is not there now."""
    deployed: str | None
    """The commit of the records; None: there are none yet."""


class Source(Protocol):
    """Tells where the refs stand. One thread asks, on a hint that they moved or by a timer."""

    def look(self) -> Sighting:
        """Return where the refs stand now, and bring here what they name.

        Raises:
            TransientError: They cannot be read now, such as those of a remote that is away.
        """
        ...
