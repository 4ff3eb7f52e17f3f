"""Changes: which fields of a spec differ between two revisions, old and new value beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest


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

    Lists of mappings are compared entry by entry, other lists as wholes.
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [*new, *(key for key in old if key not in new)]
        return tuple(
            change
            for key in keys
            for change in changes(old.get(key), new.get(key), f"{field}.{key}" if field else key)
        )
    if isinstance(old, list) and isinstance(new, list) and _mappings(old) and _mappings(new):
        pairs = enumerate(zip_longest(old, new))
        return tuple(c for i, (a, b) in pairs for c in changes(a, b, f"{field}[{i}]"))
    return () if old == new and type(old) is type(new) else (Change(field, old, new),)


def _mappings(values: list[object]) -> bool:
    return all(isinstance(value, Mapping) for value in values)


def _shown(value: object) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, Mapping):
        said = (f"{key}: {item}" for key, item in value.items() if item is not None)
        return _short(f"{{{', '.join(said)}}}")
    return _short(str(value))


def _short(text: str) -> str:
    return text if len(text) <= 100 else text[:97] + "…"
