"""`predict`: rows of a file through the released version of a model."""

from __future__ import annotations

import difflib
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.cli.options import Plain
from reconciler.cli.wiring import Site, open_site
from reconciler.errors import ReconcilerError, TerminalError, UsageError
from reconciler.spec.model import Reader

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
    rows = _rows(data, predictor, _reader(site, model))
    answers = _answers(predictor.predict(rows))
    if output is Plain.JSON:
        version = record.champion.number
        plain = {"model": model, "version": version, "predictions": answers}
        sys.stdout.write(json.dumps(plain) + "\n")
    else:
        _show(model, record.champion, answers)
    return 0


def _rows(path: Path, predictor: Predictor, reader: Reader) -> dict[str, list[Any]]:
    """Return the file's columns as plain values; the fields it must have are the signature's.

    Text that stands for a number in a CSV is read by the type that the signature states, never
    guessed from the first rows.
    """
    import polars as pl

    if not path.is_file():
        raise UsageError(f"{path} is not a file", reason="NoSuchFile")
    try:
        frame = _read(path, reader, [item.name for item in predictor.signature.inputs])
    except (pl.exceptions.PolarsError, ValueError, UnicodeDecodeError) as error:
        first = str(error).strip().splitlines()[0]
        raise UsageError(f"{path} cannot be read: {first}", reason="UnreadableRows") from error
    inputs = {item.name: item.type for item in predictor.signature.inputs}
    known = [name for name in frame.columns if name in inputs]
    _check_fields(frame.columns, known, predictor)
    return {name: _column(name, inputs[name], frame[name].to_list()) for name in known}


def _check_fields(columns: Sequence[str], known: Sequence[str], predictor: Predictor) -> None:
    needed = [i.name for i in predictor.signature.inputs if not i.nullable]
    if missing := [name for name in needed if name not in known]:
        spare = [name for name in columns if name not in known]
        close = difflib.get_close_matches(missing[0], spare, 1)
        hint = f"there is {close[0]}" if close else f"wanted: {', '.join(needed)}"
        raise UsageError(f"{missing[0]}: the field is missing", reason="BadInput", hint=hint)


def _column(name: str, kind: str, values: list[Any]) -> list[Any]:
    """Return a column's values; texts in a numeric column are read as the numbers they spell.

    One value that is none makes the whole column of a CSV arrive as texts.
    """
    if kind not in ("number", "integer") or not any(isinstance(v, str) for v in values):
        return values
    read = []
    for row, value in enumerate(values, 1):
        try:
            read.append(float(value) if isinstance(value, str) else value)
        except ValueError as error:
            message = f"row {row}: {name}: {value!r:.60} is not a number"
            raise UsageError(message, reason="BadInput") from error
    return read


def _reader(site: Site, model: str) -> Reader:
    """Return how the model's own table is read: rows to predict look like it as a rule."""
    try:
        spec = site.fleet("HEAD").spec(model)
    except ReconcilerError:
        spec = None
    return spec.spec.data.reader if spec else Reader()


def _text(path: Path, reader: Reader, usual: str, fields: Sequence[str]) -> pl.DataFrame:
    """Return a text table; a first line with a field's name is a header always."""
    import polars as pl

    separator = reader.separator or usual
    with path.open(encoding=reader.encoding) as file:
        first = file.readline().rstrip("\r\n").split(separator)
    headed = reader.header or bool(set(first) & {*reader.names, *fields})
    frame = pl.read_csv(
        path,
        separator=separator,
        has_header=headed,
        quote_char=reader.quote,
        null_values=list(reader.nulls),
        encoding=reader.encoding,
        infer_schema_length=None,
    )
    # The names that training gave: polars counts such columns from 0, which would shift them all.
    if headed:
        return frame
    names = zip(frame.columns, reader.names_of(frame.width), strict=False)
    return frame.rename(dict(names))


def _read(path: Path, reader: Reader, fields: Sequence[str]) -> pl.DataFrame:
    import polars as pl

    match path.suffix:
        case ".csv":
            return _text(path, reader, ",", fields)
        case ".tsv":
            return _text(path, reader, "\t", fields)
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
