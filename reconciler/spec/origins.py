"""Origins: where each value of a resolved spec comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.spec import yaml
from reconciler.spec.checks.data import SUFFIXES, suffix
from reconciler.spec.problems import Keys
from reconciler.spec.wording import holds


class Source(StrEnum):
    """Who says a value."""

    SPEC = "spec"
    DEFAULTS = "defaults"
    BUILT_IN = "built-in"
    INFERRED = "inferred"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one value comes from."""

    source: Source
    where: str
    """spec, defaults: file and line; inferred: from what; built-in: empty."""

    def __str__(self) -> str:
        match self.source:
            case Source.BUILT_IN:
                return "default"
            case Source.INFERRED:
                return f"inferred: {self.where}"
            case _:
                return self.where


class Origins:
    """The way back from a value to whoever said it.

    Args:
        spec: The spec as it is written.
        settings: The file with the fleet's `defaults:`; None: there is none.
        merged: The plain data of the spec with the defaults under it.
    """

    def __init__(self, spec: yaml.Document, settings: yaml.Document | None, merged: Any) -> None:
        self._spec = spec
        self._settings = settings
        self._merged = merged

    def of(self, keys: Keys) -> Origin:
        """Return where the value at `keys` comes from."""
        if _holds(self._spec.data, keys):
            line = self._spec.key_position(keys)[0]
            return Origin(Source.SPEC, f"{self._spec.path}:{line}")
        if self._settings is not None and _holds(self._merged, keys):
            line = self._settings.key_position(("defaults", *keys[1:]))[0]
            return Origin(Source.DEFAULTS, f"{self._settings.path}:{line}")
        return Origin(Source.BUILT_IN, "")

    def written(self, keys: Keys) -> bool:
        """Return whether a person has said the value at `keys`, in the spec or in the defaults."""
        return _holds(self._merged, keys)


def leaves(plain: Any, keys: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Give every value of plain data that is no mapping and no list of mappings."""
    if isinstance(plain, Mapping) and plain:
        for key, below in plain.items():
            yield from leaves(below, (*keys, key))
    elif isinstance(plain, list) and plain and all(isinstance(one, Mapping) for one in plain):
        for index, below in enumerate(plain):
            yield from leaves(below, (*keys, index))
    else:
        yield keys, plain


def inferred(data: Mapping[str, Any]) -> dict[Keys, tuple[Any, str]]:
    """Return what a data section leaves to be told from its source: key to value and reason."""
    found: dict[Keys, tuple[Any, str]] = {}
    source = str(data.get("source") or "")
    kind = data.get("format") or SUFFIXES.get(suffix(source), "")
    if not data.get("format") and kind and not source.startswith("sklearn:"):
        found["spec", "data", "format"] = (kind, f"the ending of {source}")
    reader = data.get("reader")
    if isinstance(reader, Mapping) and reader.get("separator") is None and kind in ("csv", "tsv"):
        mark = "," if kind == "csv" else "\t"
        found["spec", "data", "reader", "separator"] = (mark, f"it is {kind}")
    return found


def _holds(data: Any, keys: Keys) -> bool:
    for key in keys:
        if not holds(data, key):
            return False
        data = data[key]
    return True
