"""Adopting without a test set: metrics from a file of the user's own, and rows that are made up.

The rows stand for none that exist: the two forms of the model must agree on them, and the bundle
shows its answers to some. Nothing else is concluded from them.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from reconciler.bundle.signature import Input
from reconciler.errors import SpecError, TerminalError
from reconciler.spec import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.pipeline.foreign import Model
    from reconciler.spec.model import DataSpec

Floats = npt.NDArray[np.float64]

_ROWS = 64
_SCALES = (1.0, 100.0)
_HINT = "write JSON, YAML or TOML: numbers by name, in mappings inside each other or not"


def metrics(root: Path, path: str) -> dict[str, float]:
    """Return the numbers of a metrics file by dotted path, and by last key where that is unique.

    Raises:
        TerminalError: `MetricsUnreadable`: it cannot be read, or holds no numbers.
    """
    try:
        plain = _plain(root / path)
    except (OSError, ValueError, SpecError) as error:
        words = " ".join(str(error).split())
        message = f"training.metrics_file {path} cannot be read: {words:.300}"
        raise TerminalError(message, reason="MetricsUnreadable", hint=_HINT) from error
    found = dict(_numbers(plain, ""))
    if not found:
        message = f"training.metrics_file {path} holds no numbers"
        raise TerminalError(message, reason="MetricsUnreadable", hint=_HINT)
    last = {name: name.rpartition(".")[2] for name in found}
    often = Counter(last.values())
    short = {last[name]: value for name, value in found.items() if often[last[name]] == 1}
    return {**short, **found}


def inputs(model: Model, data: DataSpec) -> tuple[Input, ...]:
    """Return the model's inputs, all numbers: no table says otherwise.

    Raises:
        TerminalError: `WidthUnknown`: it does not say how many it takes.
    """
    names = model.features
    if names is None:
        if model.width is None:
            message = f"{model.said}, which does not say how many columns it takes"
            hint = "declare data.test, the table of held-out rows"
            raise TerminalError(message, reason="WidthUnknown", hint=hint)
        names = tuple(f"column_{n}" for n in range(1, model.width + 1))
    declared = {name for name, column in data.columns.items() if column.nullable}
    return tuple(
        Input(
            name=name,
            type="number",
            nullable=name in declared,
            null="NaN" if name in declared else None,
        )
        for name in names
    )


def made_up(model: Model, of: tuple[Input, ...]) -> pl.DataFrame:
    """Return rows of numbers, the same every time: small, large, and as the model has seen them."""
    rng, width = np.random.default_rng(0), len(of)
    blocks = [np.zeros((1, width)), np.ones((1, width))]
    blocks += [rng.normal(0, scale, (_ROWS, width)) for scale in _SCALES]
    blocks += [
        centre + spread * rng.normal(0, 1, (_ROWS, width)) for centre, spread in _seen(model)
    ]
    table = np.concatenate(blocks).astype(np.float32).astype(np.float64)
    return pl.DataFrame({item.name: table[:, n] for n, item in enumerate(of)})


def _seen(model: Model) -> Iterator[tuple[Floats, Floats]]:
    """Give middle and spread of the training rows, where a scaler has kept them."""
    steps = getattr(model.estimator, "steps", None) or [("", model.estimator)]
    for _, step in steps:
        for names in (("mean_", "scale_"), ("center_", "scale_"), ("data_min_", "data_range_")):
            found = [getattr(step, name, None) for name in names]
            if all(isinstance(f, np.ndarray) and f.shape == (model.width,) for f in found):
                yield np.asarray(found[0]), np.asarray(found[1])
                return


def _plain(path: Path) -> Any:
    match path.suffix:
        case ".json":
            return json.loads(path.read_bytes())
        case ".toml":
            return tomllib.loads(path.read_text(encoding="utf-8"))
        case _:
            return yaml.load(path.read_bytes(), path.name).data


def _numbers(value: Any, at: str) -> Iterator[tuple[str, float]]:
    """Give every finite number below mappings, by dotted path."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(item, f"{at}.{key}" if at else str(key))
    elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        yield at, float(value)
