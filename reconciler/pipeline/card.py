"""The model card: what a person wants to know about a bundle before using it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from reconciler.core.pictures.report import HEADING
from reconciler.core.pictures.wording import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.bundle.signature import Signature

#: A bar that is no border of a table's cell.
_PIPE = "\\|"


def render(
    sign: Signature,
    *,
    training: Mapping[str, Any],
    source: str,
    rows: tuple[int, int],
    reason: str,
    runtime: Mapping[str, str],
    warnings: Sequence[str],
) -> str:
    """Return the card in Markdown; it names no time, place or measurement.

    Args:
        sign: The bundle's signature.
        training: The training section, with defaults resolved.
        source: Where the data comes from, as the spec says it.
        rows: The number of training and of test rows.
        reason: Why the model has its form.
        runtime: The declared libraries.
        warnings: What was odd about the data or the training.
    """
    facts = {
        "Task": sign.task,
        "Data": _data(training, source, rows),
        "Target": (_code(sign.target) if sign.target else "not named") + _classes(sign),
        **_origin(training),
        "Form": f"{sign.form}: {reason}",
        "Libraries": ", ".join(f"{n} {v}" for n, v in sorted(runtime.items())) or "not declared",
    }
    lines = [f"# {sign.model}", "", *(f"- **{name}**: {value}" for name, value in facts.items())]
    lines += ["", "## Inputs", "", "| name | type | missing value |", "|---|---|---|"]
    lines += [
        f"| {_code(i.name).replace('|', _PIPE)} | {i.type} | {_null(i.null)} |" for i in sign.inputs
    ]
    if warnings:
        lines += ["", "## Warnings", "", *(f"- {warning}" for warning in warnings)]
    lines += ["", HEADING, "", f"Pictures and intervals: `reconciler report {sign.model}`."]
    return "\n".join(lines) + "\n"


def _data(training: Mapping[str, Any], source: str, rows: tuple[int, int]) -> str:
    if not training["stages"]:
        return f"{_code(source)}, {rows[0]} rows for training, {rows[1]} held out"
    return (
        f"{_code(source)}, {rows[1]} rows held out" if source else "known to its own stages alone"
    )


def _origin(training: Mapping[str, Any]) -> dict[str, str]:
    """Return what the model was made by; of an adopted one, its own stages know more."""
    if training["stages"]:
        stages = ", ".join(f"`{name}`" for name in training["stages"])
        return {"Adopted": f"`{training['model']}`, written by {stages}"}
    return {
        "Estimator": f"`{training['estimator'] or training['entrypoint']}`",
        "Hyperparameters": _code(json.dumps(training["hyperparameters"], sort_keys=True)),
        "Seed": str(training["seed"]),
    }


def _classes(sign: Signature) -> str:
    if sign.classes is None:
        return ""
    listed = ", ".join(_code(label) for label in sign.classes)
    positive = f"; positive {_code(sign.positive)}" if sign.task == "binary" else ""
    return f", one of {listed}{positive}"


def _code(value: object) -> str:
    """Return any text as a code span that ends where the text does."""
    text = shown(value)
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    room = " " if "`" in text else ""
    return f"{fence}{room}{text}{room}{fence}"


def _null(null: str | None) -> str:
    return "refused" if null is None else "`NaN`" if null == "NaN" else "the empty text"
