"""Entrypoints: an estimator that a file of the user's repository builds.

The convention: `training/x.py:build` names a function that is called as
`build(**hyperparameters)` and returns an unfitted estimator with scikit-learn's interface. Seeds
and thread counts are set afterwards, on every `random_state` and `n_jobs` it has. A classifier
is fitted on the indices of the classes, 0 to k - 1 in the order of the signature.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

from reconciler.errors import SpecError, TerminalError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


def build(root: Path, entrypoint: str, hyperparameters: Mapping[str, Any]) -> Any:
    """Return the unfitted estimator that `entrypoint` builds.

    Args:
        root: The repository's root; modules of the repository import from there, and from the
            folder of the entrypoint.
        entrypoint: `path/to/file.py:function`, below `root`.
        hyperparameters: Passed on as keyword arguments.

    Raises:
        SpecError: `EntrypointMissing` when the file or function is not there;
            `EntrypointFailed` when importing or calling it fails.
        TerminalError: `NotAnEstimator` when it returns something else.
    """
    path, _, name = entrypoint.partition(":")
    file = root / path
    if not file.is_file():
        raise SpecError(f"{path}: there is no such file", reason="EntrypointMissing")
    _make_importable(root, file.parent)
    function = _function(file, path, name)
    estimator = _guarded(entrypoint, lambda: function(**hyperparameters))
    wanted = ("fit", "predict", "get_params", "set_params")
    if isinstance(estimator, type) or any(not hasattr(estimator, part) for part in wanted):
        raise TerminalError(
            f"{entrypoint} returned {type(estimator).__name__}, not an unfitted estimator",
            reason="NotAnEstimator",
            hint="return an object with fit, predict, get_params and set_params",
        )
    return estimator


def _function(file: Path, path: str, name: str) -> Callable[..., Any]:
    alias = f"entrypoint_{file.stem}"  # no file of a user takes the name of a library
    spec = importlib.util.spec_from_file_location(alias, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[alias] = module  # so that classes of the module find their own module
    loader = spec.loader
    _guarded(path, lambda: loader.exec_module(module))
    function: Callable[..., Any] | None = getattr(module, name, None)
    if function is None or not callable(function):
        found = ", ".join(sorted(n for n, v in vars(module).items() if callable(v) and n[0] != "_"))
        hint = f"it has {found}" if found else ""
        raise SpecError(f"{path} has no function {name}", reason="EntrypointMissing", hint=hint)
    return function


def _guarded(what: str, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:  # the user's code may raise anything
        message = f"{what}: {type(error).__name__}: {error}"
        raise SpecError(message, reason="EntrypointFailed") from error


def _make_importable(*folders: Path) -> None:
    """Let modules be imported from `folders`, without leaving byte code among tracked files.

    They come last, so that no file of theirs shadows a library, and stay: an estimator may
    import while it is fitted.
    """
    sys.dont_write_bytecode = True
    sys.path += [text for folder in folders if (text := str(folder)) not in sys.path]
