"""The former state of a model: what an earlier commit declared, to tell what has changed since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.adapters.git import Git
from reconciler.controller import fleet as fleets
from reconciler.controller.contents import contents as content_ids
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
    line: Mapping[str, str]
    """Its line in params.yaml, as it must be; empty for an adopted model."""
    runtime: Mapping[str, str]
    stages: Mapping[str, Any]
    """The model's own stages in dvc.yaml."""


def state(git: Git, fleet: Fleet, name: str) -> State | None:
    """Return what a fleet's commit says about a model; None when it declares no valid one."""
    spec = fleet.spec(name)
    if spec is None:
        return None
    if (adoption := fleet.adoptions.get(name)) is not None:
        bodies = {stage.name: dict(stage.body) for stage in adoption.stages}
        return State(spec, adoption.contents, {}, fleet.params.runtime, bodies)
    stages = fleet.pipeline.get("stages")
    own = {s: stages[s] for s in compilation.STAGES if s in stages} if stages else {}
    contents = content_ids(git, fleet.tree, spec)
    return State(spec, contents, fleet.line(name), fleet.params.runtime, own)


def former(git: Git, revision: str, name: str, catalogue: Catalogue) -> State | None:
    """Return what an earlier commit said; None when it is gone or declared no valid model."""
    try:
        return state(git, fleets.load(git, revision, catalogue, only=name), name)
    except ReconcilerError:
        return None


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
