"""Estimators: from an import path and plain hyperparameters to one that is seeded throughout."""

from __future__ import annotations

import contextlib
import importlib
from typing import TYPE_CHECKING, Any

from reconciler.errors import SpecError, TerminalError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Hyperparameters whose value names another estimator by its import path.
_NESTED = frozenset({"estimator", "final_estimator", "regressor", "classifier", "base_estimator"})


def build(path: str, hyperparameters: Mapping[str, Any], allow: Sequence[str]) -> Any:
    """Return the unfitted estimator at `path` with its hyperparameters set.

    Args:
        path: An import path such as `sklearn.linear_model.Ridge`.
        hyperparameters: Name to plain value; `a__b` reaches into the nested estimator `a`, which
            may be given by its import path.
        allow: The prefixes that an import path may start with.

    Raises:
        SpecError: `UnknownEstimator` or `UnknownHyperparameter`.
    """
    found = _class(path, allow)
    own = {n: _value(found, n, v, allow) for n, v in hyperparameters.items() if "__" not in n}
    nested = {n: v for n, v in hyperparameters.items() if "__" in n}
    try:
        inner = {name: own[name] for name in own.keys() & _NESTED}  # some cannot be made without
        return found(**inner).set_params(**own).set_params(**nested)
    except (ValueError, TypeError, AttributeError) as error:
        raise SpecError(f"{path}: {error}", reason="UnknownHyperparameter") from error


def seed(estimator: Any, value: int, threads: int) -> Any:
    """Return `estimator` with every `random_state` and `n_jobs` set, nested ones included."""
    settings: dict[str, Any] = {}
    for name in estimator.get_params(deep=True):
        match name.rsplit("__", 1)[-1]:
            case "random_state":
                settings[name] = value
            case "n_jobs":
                settings[name] = threads
            case _:
                pass
    return estimator.set_params(**settings)


def classes_as_indices(
    hyperparameters: Mapping[str, Any], classes: Sequence[Any] | None
) -> dict[str, Any]:
    """Return `hyperparameters` with class weights keyed by the index of their class.

    The estimator is fitted on indices, whatever the labels are; a spec speaks of labels.

    Raises:
        SpecError: `UnknownClass` when a weight is given to a class that is not in the table.
    """
    done = dict(hyperparameters)
    for name, value in hyperparameters.items():
        if name.rsplit("__", 1)[-1] != "class_weight" or not isinstance(value, dict):
            continue
        indices = {_spelled(label): index for index, label in enumerate(classes or ())}
        if unknown := sorted(_spelled(key) for key in value if _spelled(key) not in indices):
            message = f"{name}: no class is called {', '.join(unknown)}"
            hint = f"the classes are {', '.join(indices)}"
            raise SpecError(message, reason="UnknownClass", hint=hint)
        done[name] = {indices[_spelled(key)]: weight for key, weight in value.items()}
    return done


def task_of(estimator: Any) -> str:
    """Return `classification` or `regression`.

    Raises:
        TerminalError: `NotAnEstimator` when it is neither.
    """
    from sklearn.base import is_classifier, is_regressor

    with contextlib.suppress(AttributeError):  # it has no tags: it knows nothing of scikit-learn
        if is_classifier(estimator):
            return "classification"
        if is_regressor(estimator):
            return "regression"
    raise TerminalError(
        f"{type(estimator).__name__} is neither classifier nor regressor",
        reason="NotAnEstimator",
        hint="derive it from ClassifierMixin or RegressorMixin, and from BaseEstimator",
    )


def _class(path: str, allow: Sequence[str]) -> Any:
    if not path.startswith(tuple(allow)):
        message = f"{path} is outside the allowed {', '.join(allow)}"
        raise SpecError(
            message, reason="UnknownEstimator", hint="`allow:` in params.yaml lists them"
        )
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise SpecError(f"there is no {path}", reason="UnknownEstimator") from error
    if not (isinstance(found, type) and hasattr(found, "fit")):
        raise SpecError(f"{path} is not an estimator", reason="UnknownEstimator")
    return found


def _value(found: Any, name: str, value: Any, allow: Sequence[str]) -> Any:
    if name in _NESTED and isinstance(value, str) and "." in value:
        return _class(value, allow)()
    if isinstance(value, (list, tuple)):
        wanted = getattr(found, "_parameter_constraints", {}).get(name, ())
        return tuple(value) if tuple in wanted else list(value)
    return value


def _spelled(label: object) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)
