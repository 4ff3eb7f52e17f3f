"""`predict`: rows of a file through the released version of a model."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.cli.main import Plain
from reconciler.cli.wiring import open_site
from reconciler.errors import TerminalError, UsageError

if TYPE_CHECKING:
    import polars as pl

    from reconciler.bundle.predictor import Predictions, Predictor
    from reconciler.core.record import Version


def run(model: str, data: Path, output: Plain) -> int:
    """Return 0 once every row is answered; rows that do not fit are a usage error."""
    from reconciler.bundle.predictor import open_bundle

    site = open_site()
    snapshot = site.store.read()
    if (why := snapshot.quarantined.get(model)) is not None:
        raise TerminalError(f"the record of {model} cannot be read: {why}", reason="RecordCorrupt")
    record = snapshot.records.get(model)
    if record is None or record.champion is None:
        hint = "`reconciler status` lists what is released; `reconciler apply` releases"
        raise UsageError(f"{model} has no released version", reason="NotReleased", hint=hint)
    site.workspace.prepare()
    predictor = open_bundle(site.artifacts.champion(record))
    rows = _rows(data, predictor)
    answers = _answers(predictor.predict(rows))
    if output is Plain.JSON:
        version = record.champion.number
        plain = {"model": model, "version": version, "predictions": answers}
        sys.stdout.write(json.dumps(plain) + "\n")
    else:
        _show(model, record.champion, answers)
    return 0


def _rows(path: Path, predictor: Predictor) -> dict[str, list[Any]]:
    """Return the file's columns as plain values; the fields it must have are the signature's.

    Text that stands for a number in a CSV is read by the type that the signature states, never
    guessed from the first rows.
    """
    import polars as pl

    if not path.is_file():
        raise UsageError(f"{path} is not a file", reason="NoSuchFile")
    try:
        frame = _read(path)
    except (pl.exceptions.PolarsError, ValueError, UnicodeDecodeError) as error:
        first = str(error).strip().splitlines()[0]
        raise UsageError(f"{path} cannot be read: {first}", reason="UnreadableRows") from error
    wanted = [item.name for item in predictor.signature.inputs]
    known = [name for name in frame.columns if name in wanted]
    return {name: frame[name].to_list() for name in known}


def _read(path: Path) -> pl.DataFrame:
    import polars as pl

    match path.suffix:
        case ".csv":
            return pl.read_csv(path, infer_schema_length=None)
        case ".tsv":
            return pl.read_csv(path, separator="\t", infer_schema_length=None)
        case ".parquet":
            return pl.read_parquet(path)
        case ".jsonl" | ".ndjson":
            return pl.read_ndjson(path, infer_schema_length=None)
        case ".json":
            rows = json.loads(path.read_text(encoding="utf-8"))
            return pl.DataFrame(
                rows if isinstance(rows, list) else [rows], infer_schema_length=None
            )
    raise UsageError(
        f"{path}: unknown kind of file {path.suffix!r}",
        reason="UnknownFormat",
        hint="use .csv, .tsv, .json, .jsonl or .parquet",
    )


def _answers(predictions: Predictions) -> list[dict[str, Any]]:
    values = predictions.values.tolist()
    if predictions.probabilities is None or predictions.classes is None:
        return [{"prediction": value} for value in values]
    names = [str(name) for name in predictions.classes]
    return [
        {"prediction": value, "probabilities": dict(zip(names, map(_short, row), strict=True))}
        for value, row in zip(values, predictions.probabilities.tolist(), strict=True)
    ]


def _short(value: float) -> float:
    return float(f"{value:.6g}") if math.isfinite(value) else value


def _show(model: str, version: Version, answers: Sequence[dict[str, Any]]) -> None:
    sys.stdout.write(f"{model}, version {version.number}\n")
    for number, answer in enumerate(answers, 1):
        line = f"  {number}: {_value(answer['prediction'])}"
        likely = sorted((answer.get("probabilities") or {}).items(), key=lambda pair: -pair[1])
        if likely:
            line += "  (" + ", ".join(f"{name} {p:.3f}" for name, p in likely[:3]) + ")"
        sys.stdout.write(line + "\n")


def _value(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
