"""Foreign models: the fitted estimator in a file that the user's own stages have written."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reconciler.bundle.predictor import NativeModel
from reconciler.errors import TerminalError
from reconciler.pipeline import loading

if TYPE_CHECKING:
    from reconciler.bundle.signature import Signature

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Model:
    """A fitted estimator or graph, and what is known of it."""

    estimator: Any
    """With `predict`; or a `Graph`."""
    said: str
    """What to call it in a message: the file, the stages that write it, and its type."""
    task: str
    """`regression` or `multiclass`, as long as its classes are not counted."""
    classes: tuple[Any, ...] | None
    """Its labels, ascending; None: a regression."""
    features: tuple[str, ...] | None
    """The columns that it was fitted on; None: it does not know their names."""
    width: int | None
    """How many columns it was fitted on; None: it does not say."""


def load(
    root: Path, path: str, folders: Sequence[str], writers: Sequence[str], task: str | None
) -> Model:
    """Return the fitted estimator in a file.

    Args:
        root: The slot's tree.
        path: The file: pickle or joblib, a skops archive, or ONNX.
        folders: Where the user's own modules may be, from `root`.
        writers: The stages that write the file.
        task: What the spec says that it is for; None: the model tells.

    Raises:
        TerminalError: `ModelMissing`, `ModelUnreadable`, `NotAnEstimator` or `NotFitted`.
    """
    said = f"{path}, written by {' and '.join(writers)}"
    if not (root / path).is_file():
        message = f"{said}, is {'a folder' if (root / path).is_dir() else 'not there'}"
        raise TerminalError(message, reason="ModelMissing", hint="name one file")
    if path.endswith(".onnx"):
        return _graph(root / path, f"{said}", task)
    return _estimator(_loaded(root, path, folders, said), said)


def _graph(path: Path, said: str, task: str | None) -> Model:
    from reconciler.pipeline import foreign_onnx

    graph = foreign_onnx.load(path, said, task)
    return Model(graph, said, graph.task, graph.classes, graph.features, graph.width)


def _estimator(found: Any, said: str) -> Model:
    from reconciler.pipeline import estimators

    found = getattr(found, "best_estimator_", found)  # of a search, only the result is served
    said = f"{said}, holds {_type(found)}"
    if not hasattr(found, "predict"):
        raise TerminalError(
            f"{said}, which is not one fitted estimator",
            reason="NotAnEstimator",
            hint="save the estimator itself; a scikit-learn Pipeline holds all its steps",
        )
    try:
        kind = estimators.task_of(found)
    except TerminalError as error:
        hint = "let the stage write ONNX, and name that file as training.model"
        message = f"{said}, which is neither classifier nor regressor of scikit-learn's kind"
        raise TerminalError(message, reason="NotAnEstimator", hint=hint) from error
    _check_fitted(found, said)
    names = getattr(found, "feature_names_in_", None)
    return Model(
        estimator=found,
        said=said,
        task="regression" if kind == "regression" else "multiclass",
        classes=_classes(found, said) if kind == "classification" else None,
        features=None if names is None else tuple(map(str, names)),
        width=getattr(found, "n_features_in_", None),
    )


def try_out(model: Model, sign: Signature, tensors: Mapping[str, Array], rows: str) -> None:
    """Return when the model answers rows, which are called `rows` in messages.

    Raises:
        TerminalError: `ModelRefusesRows`, in its own words.
    """
    try:
        answers = NativeModel(model.estimator, sign).run(dict(tensors))
    except Exception as error:  # an estimator may raise anything
        words = " ".join(str(error).split())
        raise TerminalError(
            f"{model.said}; it does not answer {rows}: {type(error).__name__}: {words:.400}",
            reason="ModelRefusesRows",
            hint="the table must have the columns that the model takes, after featurizing; "
            "data.ignore leaves out others",
        ) from error
    if answers[0].ndim != 1:
        message = f"{model.said}; it answers {answers[0].shape[1]} values for each row, not one"
        raise TerminalError(message, reason="ManyAnswers", hint="adopt one model for each target")


def reindexed(estimator: Any) -> Any:
    """Return a copy that answers the indices of its classes, wherever it keeps their labels.

    Converters write the labels into the graph, and a bundle's graph answers indices. Whether the
    copy answers as the original does is for the caller to find out.
    """
    labels = np.asarray(estimator.classes_)
    twin = copy.deepcopy(estimator)
    _reindex(twin, labels, set())
    return twin


def _reindex(part: Any, labels: Array, seen: set[int]) -> None:
    if id(part) in seen:
        return
    seen.add(id(part))
    if isinstance(part, list | tuple):
        for item in part:
            _reindex(item, labels, seen)
    elif isinstance(part, dict):
        for item in part.values():
            _reindex(item, labels, seen)
    elif hasattr(part, "get_params") and hasattr(part, "__dict__"):
        own = part.__dict__.get("classes_")
        if own is not None and np.array_equal(np.asarray(own), labels):
            part.classes_ = np.arange(len(labels))
        for item in list(part.__dict__.values()):
            _reindex(item, labels, seen)


def _loaded(root: Path, path: str, folders: Sequence[str], said: str) -> Any:
    try:
        return loading.load(root, path, folders)
    except Exception as error:  # a pickle may raise anything at all
        raise _unreadable(error, said) from error


def _unreadable(error: Exception, said: str) -> TerminalError:
    words = " ".join(str(error).split())
    hint = "save it with pickle, joblib or skops, with the libraries that are installed here"
    if isinstance(error, ModuleNotFoundError):
        hint = (
            "install the module beside reconciler, in the environment that the stages run in; a "
            "module of your own must lie in the repository"
        )
    elif isinstance(error, AttributeError) and "__main__" in words:
        hint = "define that class in a module of its own and import it in the script"
    return TerminalError(
        f"{said}, cannot be loaded: {type(error).__name__}: {words:.400}",
        reason="ModelUnreadable",
        hint=hint,
    )


def _check_fitted(estimator: Any, said: str) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(estimator)
    except NotFittedError as error:
        hint = "call fit before it is saved"
        raise TerminalError(
            f"{said}, which is not fitted", reason="NotFitted", hint=hint
        ) from error
    except TypeError:  # of another library: it says nothing of itself
        return


def _classes(estimator: Any, said: str) -> tuple[Any, ...]:
    found = getattr(estimator, "classes_", None)
    if found is None or isinstance(found, list):
        message = f"{said}, which does not say what classes it knows, or of several targets"
        raise TerminalError(message, reason="NotAnEstimator", hint="adopt one model per target")
    return tuple(_plain(label) for label in np.asarray(found).tolist())


def _plain(label: Any) -> Any:
    """Return a label as a table holds it: 0 for 0.0."""
    return int(label) if isinstance(label, float) and label.is_integer() else label


def _type(value: object) -> str:
    kind = type(value)
    if isinstance(value, Mapping):
        return f"a mapping with the keys {', '.join(map(str, list(value)[:5]))}"
    if isinstance(value, list | tuple):
        return f"a {kind.__name__} of {len(value)} values"
    name = (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
    steps = getattr(value, "steps", None)
    if isinstance(steps, list) and steps:
        return f"a {name} that ends in {_type(steps[-1][1])}"
    return f"a {name}"
