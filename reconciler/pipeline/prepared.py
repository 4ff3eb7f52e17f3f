"""What `prepare` left behind: the two splits and the report about them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from reconciler.bundle.manifest import sha256
from reconciler.bundle.signature import NO_TEXT, Input
from reconciler.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILES = ("train.parquet", "test.parquet", "report.json")
_TEXTS = frozenset({"category", "text"})


@dataclass(frozen=True, slots=True)
class Prepared:
    """The prepared data of one model."""

    task: str
    """regression, binary or multiclass."""
    inputs: tuple[Input, ...]
    """The features, in the order of the table."""
    target: str
    classes: tuple[Any, ...] | None
    """The labels in the order of the report; None for a regression."""
    positive: Any
    """The class that counts as positive of two; None otherwise."""
    split: Mapping[str, Any]
    """The pinned split rule, as JSON."""
    warnings: tuple[str, ...]
    train: pl.DataFrame
    test: pl.DataFrame
    checksums: Mapping[str, str]
    """File name to sha256."""


def read(directory: Path) -> Prepared:
    """Return the prepared data in `directory`.

    Raises:
        TransientError: `PreparedMissing` when a file is not there.
    """
    if missing := [name for name in FILES if not (directory / name).is_file()]:
        raise TransientError(
            f"{directory} has no {', '.join(missing)}",
            reason="PreparedMissing",
            hint="run the stage `prepare` first",
        )
    return of(
        json.loads((directory / "report.json").read_text(encoding="utf-8")),
        pl.read_parquet(directory / "train.parquet"),
        pl.read_parquet(directory / "test.parquet"),
        {name: sha256(directory / name) for name in FILES},
    )


def of(
    report: Mapping[str, Any],
    train: pl.DataFrame,
    test: pl.DataFrame,
    checksums: Mapping[str, str],
) -> Prepared:
    """Return the prepared data that a report tells about.

    Args:
        report: As it stands in `report.json`.
        train: The rows of the training side.
        test: The rows of the test side.
        checksums: File name to sha256; empty where there is no file.
    """
    classes = report["target"].get("classes")
    return Prepared(
        task=report["task"],
        inputs=tuple(_input(feature) for feature in report["features"]),
        target=report["target"]["name"],
        classes=None if classes is None else tuple(classes),
        positive=report["target"].get("positive"),
        split=report["split"],
        warnings=tuple(item["message"] for item in report.get("warnings", ())),
        train=train,
        test=test,
        checksums=checksums,
    )


def _input(feature: Mapping[str, Any]) -> Input:
    kind, nullable = feature["type"], bool(feature["nullable"])
    null = NO_TEXT if kind in _TEXTS else "NaN"
    allowed = feature.get("allowed")
    return Input(
        name=feature["name"],
        type=kind,
        nullable=nullable,
        null=null if nullable else None,
        allowed=None if allowed is None else tuple(allowed),
    )
