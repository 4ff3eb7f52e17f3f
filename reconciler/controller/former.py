"""The former state of a model: what an earlier commit declared, to tell what has changed since."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.adapters.git import Git
from reconciler.controller import fleet as fleets
from reconciler.controller.contents import ContentIds
from reconciler.controller.fleet import Fleet
from reconciler.core import compilation
from reconciler.core.changes import Change, changes
from reconciler.core.fingerprint import Contents
from reconciler.errors import ReconcilerError
from reconciler.spec.catalogue import Catalogue
from reconciler.spec.model import ModelSpec
from reconciler.spec.reading import resolved

_ID_LENGTH = 12


@dataclass(frozen=True, slots=True)
class State:
    """What one commit says about one model."""

    spec: ModelSpec
    contents: Contents
    runtime: Mapping[str, str]
    stages: Mapping[str, Any]
    """The model's own stages in dvc.yaml."""


def states(git: Git, fleet: Fleet, names: Collection[str]) -> dict[str, State]:
    """Return what a fleet's commit says about models; those it declares no valid one of are out."""
    specs = {name: spec for name in names if (spec := fleet.spec(name)) is not None}
    own = {name: spec for name, spec in specs.items() if name not in fleet.adoptions}
    contents = ContentIds(git, fleet.tree, own)
    stages = fleet.pipeline.get("stages") or {}
    shared = {name: stages[name] for name in compilation.STAGES if name in stages}
    runtime = fleet.params.runtime
    found = {name: State(spec, contents.of(spec), runtime, shared) for name, spec in own.items()}
    for name in specs.keys() - own.keys():
        adoption = fleet.adoptions[name]
        bodies = {stage.name: dict(stage.body) for stage in adoption.stages}
        found[name] = State(specs[name], adoption.contents, runtime, bodies)
    return found


def former(git: Git, revision: str, name: str, catalogue: Catalogue) -> State | None:
    """Return what an earlier commit said; None when it is gone or declared no valid model."""
    return formers(git, {name: revision}, catalogue).get(name)


def formers(git: Git, revisions: Mapping[str, str], catalogue: Catalogue) -> dict[str, State]:
    """Return what earlier commits said; each commit is read once, and only what is asked of it.

    Args:
        git: The repository.
        revisions: The commit of each model; one that is gone, or that declared no valid model,
            is left out.
        catalogue: The estimators that specs may name.
    """
    by_revision: dict[str, set[str]] = {}
    for name, revision in revisions.items():
        by_revision.setdefault(revision, set()).add(name)
    found: dict[str, State] = {}
    for revision, names in by_revision.items():
        with contextlib.suppress(ReconcilerError):
            fleet = fleets.load(git, revision, catalogue, skip=_AllBut(names))
            found |= states(git, fleet, names)
    return found


class _AllBut:
    """Holds every name but these."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names

    def __contains__(self, name: object) -> bool:
        return name not in self._names


def differences(old: State, new: State) -> tuple[Change, ...]:
    """Return what differs: fields of the spec, then content of data and code, runtime, stages."""
    found = list(changes(resolved(old.spec), resolved(new.spec)))
    source = new.spec.spec.data.source
    if source == old.spec.spec.data.source and old.contents.data != new.contents.data:
        found.append(Change(source, _short(old.contents.data), _short(new.contents.data)))
    found += changes(_code(old), _code(new))
    found += changes(dict(old.contents.params), dict(new.contents.params))
    found += changes(dict(old.runtime), dict(new.runtime), "runtime")
    found += changes(old.stages, new.stages, compilation.PIPELINE)
    return tuple(found)


def _code(state: State) -> dict[str, str | None]:
    return {path: _short(oid) for path, oid in state.contents.code.items()}


def _short(content: str | None) -> str | None:
    """Return the beginning of a content id, its kind included."""
    if content is None:
        return None
    kind, colon, digits = content.rpartition(":")
    return f"{kind}{colon}{digits[:_ID_LENGTH]}"
