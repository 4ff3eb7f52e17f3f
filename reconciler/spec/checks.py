"""Checks that need more than one key: what a schema cannot say of a spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.spec.catalogue import Catalogue
from reconciler.spec.model import ModelSpec
from reconciler.spec.params import Params
from reconciler.spec.problems import Finding


@dataclass(frozen=True, slots=True)
class Scope:
    """What a spec is checked against."""

    stem: str
    """The file's name without its ending."""
    params: Params
    catalogue: Catalogue
    modes: Mapping[str, str] | None
    """Git mode of every file of the tree, by path; None: the tree is not known."""


def of_params(data: Mapping[str, Any]) -> list[Finding]:
    """Return what is wrong with the fleet's settings beyond their schema."""
    return []


def of_spec(spec: ModelSpec | None, data: Any, scope: Scope) -> list[Finding]:
    """Return what is wrong with a spec beyond its schema."""
    if spec is not None and spec.name != scope.stem:
        hint = f"rename the file to {spec.name}.yaml, or the model"
        return [Finding(("metadata", "name"), f"the file is called {scope.stem}.yaml", hint)]
    return []
