"""Changes: which fields of a spec differ between two revisions, old and new value beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs; None stands for absent on either side."""

    field: str
    """Dotted path of the field, such as `spec.training.hyperparameters.alpha`."""
    old: object
    new: object

    def __str__(self) -> str:
        return f"{self.field}: {_shown(self.old)} → {_shown(self.new)}"


def changes(old: object, new: object, field: str = "") -> tuple[Change, ...]:
    """Return every field that differs between two plain trees, in the order of the new one.

    Lists are compared as wholes unless they have equally many entries.
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [*new, *(key for key in old if key not in new)]
        return tuple(
            change
            for key in keys
            for change in changes(old.get(key), new.get(key), f"{field}.{key}" if field else key)
        )
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return tuple(c for i, (a, b) in pairs for c in changes(a, b, f"{field}[{i}]"))
    return () if old == new and type(old) is type(new) else (Change(field, old, new),)


def _shown(value: object) -> str:
    text = "(none)" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "…"
