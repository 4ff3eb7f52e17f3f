"""Stage `adopt`: from a model that the user's own stages have left to a bundle.

It runs in the slot, where those stages ran: the one place in which a pickle is loaded. What leaves
it is ONNX, or a skops archive of reviewed types.
"""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.bundle import encoding
from reconciler.bundle.manifest import sha256
from reconciler.bundle.predictor import indexed
from reconciler.bundle.signature import Signature
from reconciler.errors import TerminalError
from reconciler.pipeline import (
    foreign,
    foreign_onnx,
    foreign_text,
    heldout,
    preprocessing,
    train,
    undeclared,
)
from reconciler.pipeline.export import Fitted, export
from reconciler.pipeline.foreign_onnx import Graph
from reconciler.pipeline.prepared import Prepared

if TYPE_CHECKING:
    from reconciler.pipeline.context import Context
    from reconciler.pipeline.export import Exported
    from reconciler.pipeline.heldout import HeldOut

#: How the rows were held out: by the user's own stages, which declare the table, or do not.
_DECLARED, _UNDECLARED = {"method": "declared"}, {"method": "undeclared"}
_HINT = (
    "build it from scikit-learn's own estimators and transformers, or let the stage write ONNX "
    "itself and name that file as training.model"
)


def run(context: Context) -> None:
    """Write the bundle of an adopted model, and the rows that it is scored on.

    Raises:
        SpecError: The table does not have the columns that the spec or the model names.
        TerminalError: The file holds no model that can be shipped, or one that does not answer
            the held-out rows.
    """
    training = context.spec.spec.training
    path = training.model or ""
    model = foreign.load(context.root, path, context.folders, context.writers, training.task)
    declared = context.spec.spec.data.test is not None
    with warnings.catch_warnings():
        # a model that was fitted on a matrix is given a table all the same
        warnings.filterwarnings("ignore", "X has feature names")
        data = _tested(context, model) if declared else _reported(context, model)
        if foreign_text.takes_texts(model):
            model, data = foreign_text.as_table(model, data)
        exported = _exported(context, model, data)
        shutil.rmtree(context.bundle, ignore_errors=True)
        context.bundle.mkdir(parents=True)
        train.write(context.bundle, context, data, exported, ())


def _exported(context: Context, model: foreign.Model, data: Prepared) -> Exported:
    section = context.spec.spec
    rounded = section.data.precision == "float32"
    plain = preprocessing.plain(data.inputs, rounded=rounded)
    separate = preprocessing.separate(data.inputs, rounded=rounded)
    graph = model.estimator if isinstance(model.estimator, Graph) else None
    tensors = separate if graph is not None and graph.features else plain
    sign = Signature(
        model=context.name,
        task=data.task,
        form="native",
        precision=section.data.precision,
        inputs=data.inputs,
        tensors=tensors,
        target=data.target,
        classes=data.classes,
        positive=data.positive,
        probabilities=hasattr(model.estimator, "predict_proba"),
    )
    encoded = encoding.encode(sign, data.test)
    rows = section.data.test or "a table of made-up numbers; declare data.test"
    if graph is not None:
        return foreign_onnx.export(graph, sign, encoded, model.said)
    foreign.try_out(model, sign, encoded, rows)
    fitted = Fitted(
        model.estimator,
        sign,
        encoded,
        None if indexed(model.estimator) else foreign.reindexed(model.estimator),
    )
    try:
        layouts = (plain, separate, preprocessing.as_words(plain, data.inputs))
        return export(fitted, section.packaging.format, list(dict.fromkeys(layouts)))
    except TerminalError as error:
        hint = _HINT if error.reason == "UntrustedEstimator" else error.hint
        message = f"{model.said}: {error.message}"
        raise TerminalError(message, reason=error.reason, hint=hint) from error


def _tested(context: Context, model: foreign.Model) -> Prepared:
    """Return the declared rows as prepared data: they are all that is known of the data."""
    rows = heldout.read(context.root, context.spec.spec.data, model, context.folders)
    _write_rows(context.prepared, rows)
    return Prepared(
        task=rows.task,
        inputs=rows.inputs,
        target=rows.target,
        classes=rows.classes,
        positive=rows.positive,
        split=_DECLARED,
        warnings=(),
        train=rows.frame,
        test=rows.frame,
        checksums={"test.parquet": sha256(context.prepared / "test.parquet")},
    )


def _reported(context: Context, model: foreign.Model) -> Prepared:
    """Write the metrics of the user's own file, and return rows that are made up."""
    section = context.spec.spec
    found = undeclared.metrics(context.root, section.training.metrics_file or "")
    context.report.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=2, sort_keys=True) + "\n"
    (context.report / "metrics.json").write_text(text, encoding="utf-8")
    inputs = undeclared.inputs(model, section.data)
    rows = undeclared.made_up(model, inputs)
    binary = len(model.classes or ()) == 2
    return Prepared(
        task="binary" if binary else model.task,
        inputs=inputs,
        target=section.data.target,
        classes=model.classes,
        positive=heldout.positive(section.data, model.classes) if binary else None,
        split=_UNDECLARED,
        warnings=("its metrics are self-reported, and its examples are made up",),
        train=rows.clear(),
        test=rows,
        checksums={},
    )


def _write_rows(folder: Path, rows: HeldOut) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows.frame.rechunk().write_parquet(
        folder / "test.parquet", compression="zstd", compression_level=3, statistics=True
    )
    report = {"split": _DECLARED, "rows": {"test": rows.frame.height}, "warnings": []}
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
