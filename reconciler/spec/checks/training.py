"""Checks of `spec.training`: what is trained, with which hyperparameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.spec.catalogue import Catalogue, Estimator, Parameter
from reconciler.spec.checks import paths
from reconciler.spec.checks.scope import Scope
from reconciler.spec.model import Preprocessing, TrainingSpec
from reconciler.spec.problems import Finding, nearest, shown

_AT = ("spec", "training")
_PARAMETERS = (*_AT, "hyperparameters")
_ENTRYPOINT = re.compile(r"(?P<path>[^:]+\.py):(?P<name>[A-Za-z_]\w*)", re.ASCII)
#: Set on every estimator by the training itself.
_OURS = {"random_state": "training.seed", "n_jobs": "training.threads"}


def check(training: TrainingSpec, target: str | None, scope: Scope) -> Iterator[Finding]:
    """Give what is wrong with the training section.

    Args:
        training: The section.
        target: The column to predict; None when that is not known.
        scope: What the spec is checked against.
    """
    if training.estimator is not None and training.entrypoint is not None:
        hint = "keep one of them"
        yield Finding((*_AT, "entrypoint"), "both estimator and entrypoint are given", hint)
    if training.estimator is None and training.entrypoint is None:
        hint = "such as estimator: sklearn.linear_model.Ridge"
        yield Finding(_AT, "estimator is missing", hint)
    if training.estimator is not None:
        yield from _estimator(training, training.estimator, scope)
    if training.entrypoint is not None:
        yield from _entrypoint(training, training.entrypoint, scope)
    elif training.deps:
        yield Finding((*_AT, "deps"), "only an entrypoint has further files", "leave it out")
    for name in training.hyperparameters:
        if "." in name:
            hint = "parts of a nested estimator are written part__name"
            yield Finding((*_PARAMETERS, name), "a name has no dots", hint, at_key=True)
    if isinstance(training.preprocessing, Preprocessing):
        yield from _preprocessing(training.preprocessing, target)


def _preprocessing(steps: Preprocessing, target: str | None) -> Iterator[Finding]:
    at = (*_AT, "preprocessing")
    shortest, longest = steps.text.ngrams
    if shortest > longest:
        message = f"the shortest run of words, {shortest}, is above the longest, {longest}"
        yield Finding((*at, "text", "ngrams"), message)
    if target in steps.drop:
        yield Finding((*at, "drop"), f"{target} is the target, no feature", "leave it out")


def _entrypoint(training: TrainingSpec, entrypoint: str, scope: Scope) -> Iterator[Finding]:
    at = (*_AT, "entrypoint")
    found = _ENTRYPOINT.fullmatch(entrypoint)
    if found is None:
        message = f"found {shown(entrypoint)}, wanted file and function"
        yield Finding(at, message, "such as training/model.py:build")
    else:
        yield from paths.check(found["path"], at, scope.modes, tracked=False)
    for index, path in enumerate(training.deps):
        yield from paths.check(path, (*_AT, "deps", index), scope.modes, tracked=False)
    if training.task is None:
        hint = "set task: regression or task: classification"
        yield Finding(at, "an entrypoint does not say what it is for", hint)


def _estimator(training: TrainingSpec, path: str, scope: Scope) -> Iterator[Finding]:
    at = (*_AT, "estimator")
    refusal = _refusal(path, scope)
    known = scope.catalogue.find(path)
    if refusal is not None:
        yield Finding(at, *refusal)
    elif known is not None:
        if training.task not in (None, known.task):
            message = f"{path} is for {known.task}, not {training.task}"
            yield Finding((*_AT, "task"), message, "leave it out: the estimator says it")
        yield from _given(known, training.hyperparameters, scope)
    elif training.task is None:
        hint = "set task: regression or task: classification"
        yield Finding(at, f"it is not known what {path} is for", hint)


def _refusal(path: str, scope: Scope) -> tuple[str, str] | None:
    """Return why an import path may not be named, with a hint; None when it may."""
    allow = scope.params.allow
    if not path.startswith(tuple(allow)):
        message = f"{path[:120]} is outside the allow-list ({', '.join(allow) or 'empty'})"
        return message, _alike(path, scope.catalogue) or "`allow:` in params.yaml extends it"
    if scope.catalogue.covers(path) and scope.catalogue.find(path) is None:
        version = scope.catalogue.version
        return f"scikit-learn {version} has no estimator {path[:120]}", _alike(
            path, scope.catalogue
        )
    return None


def _alike(path: str, catalogue: Catalogue) -> str:
    name = path.rpartition(".")[2]
    same = [one for one in catalogue.estimators if one.endswith(f".{name}")]
    return f"did you mean {same[0]}?" if same else nearest(path, catalogue.estimators)


def _given(known: Estimator, given: Mapping[str, Any], scope: Scope) -> Iterator[Finding]:
    for name, value in given.items():
        if "." not in name:
            yield from _hyperparameter(known, name, "", value, given, scope)
    for name, parameter in known.parameters.items():
        if parameter.required and name not in given:
            yield Finding(_AT, f"{known.path} needs hyperparameter {name}: {parameter}")


def _hyperparameter(
    known: Estimator,
    name: str,
    prefix: str,
    value: Any,
    given: Mapping[str, Any],
    scope: Scope,
) -> Iterator[Finding]:
    """Give what is wrong with one hyperparameter of `known`, which nests below `prefix`."""
    at = (*_PARAMETERS, prefix + name)
    own, _, rest = name.partition("__")
    parameter = known.parameters.get(own)
    if parameter is None:
        hint = nearest(own, known.parameters) or f"it has {', '.join(known.parameters)}"
        yield Finding(at, f"{known.path} has no hyperparameter {own}", hint, at_key=True)
    elif own in _OURS:
        hint = f"set {_OURS[own]}"
        yield Finding(at, f"{own} is set by the training itself", hint, at_key=True)
    elif rest:
        yield from _nested(parameter, own, rest, prefix, value, given, scope)
    elif (why := _wrong(parameter, value, scope)) is not None:
        yield Finding(at, *why)


def _nested(
    parameter: Parameter,
    own: str,
    rest: str,
    prefix: str,
    value: Any,
    given: Mapping[str, Any],
    scope: Scope,
) -> Iterator[Finding]:
    at = (*_PARAMETERS, f"{prefix}{own}__{rest}")
    inner = given.get(prefix + own)
    if not parameter.nests:
        yield Finding(at, f"{own} has no parts of its own", f"it is {parameter}", at_key=True)
    elif not isinstance(inner, str):
        hint = f"such as {prefix}{own}: sklearn.tree.DecisionTreeClassifier"
        yield Finding(at, f"{prefix}{own} itself is not given", hint, at_key=True)
    elif (known := scope.catalogue.find(inner)) is not None:
        yield from _hyperparameter(known, rest, f"{prefix}{own}__", value, given, scope)


def _wrong(parameter: Parameter, value: Any, scope: Scope) -> tuple[str, str] | None:
    """Return why a hyperparameter cannot have this value, with a hint; None when it can."""
    if not parameter.accepts(value):
        hint = "write .0 for a share" if _could_be_share(parameter, value) else ""
        return f"found {shown(value)}, wanted {parameter}", hint
    if parameter.nests and isinstance(value, str) and not parameter.plain(value):
        return _refusal(value, scope)
    return None


def _could_be_share(parameter: Parameter, value: Any) -> bool:
    return (
        isinstance(value, int) and not isinstance(value, bool) and parameter.accepts(float(value))
    )
