"""Adoptable: whether the dvc.yaml of a working tree has what specs adopt of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reconciler.core import graph
from reconciler.core.compilation import PIPELINE, spec_path
from reconciler.core.graph import Stage, closure, not_written, stage_of, writers
from reconciler.errors import SpecError
from reconciler.spec import yaml
from reconciler.spec.model import ModelSpec
from reconciler.spec.problems import Keys, Problem, dotted

_AT = ("spec", "training")
#: Gives the content of a file; None: it does not exist.
Read = Callable[[str], bytes | None]


def problems(read: Read, specs: Mapping[str, ModelSpec]) -> tuple[Problem, ...]:
    """Return what adopted models ask of dvc.yaml and it does not have.

    Args:
        read: Reads the working tree.
        specs: The valid specs, by model.
    """
    adopting = {name: spec for name, spec in specs.items() if spec.spec.training.adopts}
    if not adopting:
        return ()
    try:
        plain = _plain(read, PIPELINE)
        known = graph.stages(plain if isinstance(plain, Mapping) else {}, lambda p: _plain(read, p))
    except SpecError as error:
        return tuple(_problem(read, name, _AT, error) for name in adopting)
    return tuple(
        _problem(read, name, (*_AT, *keys), error)
        for name, spec in adopting.items()
        for keys, error in _unmet(spec, known)
    )


def _unmet(spec: ModelSpec, known: Mapping[str, Stage]) -> Iterator[tuple[Keys, SpecError]]:
    """Give what one spec asks in vain, at the key that asks it."""
    training = spec.spec.training
    missing = False
    for index, name in enumerate(training.stages):
        try:
            stage_of(known, name)
        except SpecError as error:
            missing = True
            yield ("stages", index), error
    if missing or training.model is None:
        return
    try:
        chain = closure(known, training.stages, ())
    except SpecError as error:
        yield ("stages",), error
        return
    if not writers(chain, training.model):
        yield ("model",), not_written("model", training.model, chain, known)
    wanted = None if spec.spec.data.test else training.metrics_file
    if wanted is not None and not writers(known.values(), wanted):
        yield ("metrics_file",), not_written("metrics_file", wanted, known.values(), known)


def _problem(read: Read, name: str, keys: Keys, error: SpecError) -> Problem:
    path = spec_path(name)
    at = yaml.load(read(path) or b"", path).position(keys)
    return Problem(path, *at, dotted(keys), error.message, error.hint)


def _plain(read: Read, path: str) -> Any:
    text = read(path)
    return None if text is None else graph.parsed(text, path)
