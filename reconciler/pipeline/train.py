"""Stage `train`: from the prepared splits to a bundle, the same bytes for the same inputs."""

from __future__ import annotations

import json
import shutil
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from reconciler.bundle import encoding, manifest, signature
from reconciler.bundle.form import FORMAT
from reconciler.bundle.native import frame
from reconciler.bundle.predictor import Predictor, open_bundle
from reconciler.bundle.signature import Input, Signature, Tensor
from reconciler.core import compilation
from reconciler.core.digest import digest
from reconciler.errors import ReconcilerError, SpecError, TerminalError
from reconciler.pipeline import card, entrypoint, estimators, prepared, preprocessing, profile

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from reconciler.pipeline.context import Context
    from reconciler.pipeline.export import Exported, Fitted
    from reconciler.pipeline.prepared import Prepared

_EXAMPLES = 20


def run(context: Context) -> None:
    """Train the model of `context`, and write its bundle to `models/NAME`.

    Raises:
        SpecError: The estimator, its hyperparameters or the entrypoint are not what they say.
        TerminalError: `TrainingFailed` with the estimator's own words; or the model can be
            shipped in no form.
    """
    data = prepared.read(context.root / "data" / "prepared" / context.name)
    from threadpoolctl import threadpool_limits

    with threadpool_limits(context.spec.spec.training.threads):
        fitted, notes = fit(context, data)
        exported = _export(context, fitted)
    directory = context.root / "models" / context.name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    write(directory, context, data, exported, notes)


def fit(context: Context, data: Prepared) -> tuple[Fitted, tuple[str, ...]]:
    """Return the fitted pipeline, and what it had to say about its fit; see `run` for errors."""
    from sklearn.pipeline import Pipeline

    from reconciler.pipeline.export import Fitted

    training = context.spec.spec.training
    estimator = _estimator(context, data)
    recipe = _recipe(training.preprocessing, estimator)
    inputs, tensors = _layout(context, data, recipe)
    sign = _signature(context, data, inputs, tensors, estimator)
    table = frame(sign, encoding.encode(sign, data.train))
    steps = []
    if recipe is not None:
        sparse = _takes_sparse(estimator)
        steps = preprocessing.steps(recipe, inputs, tensors, table, sparse=sparse)
    estimators.seed(estimator, training.seed, training.threads)
    pipeline = Pipeline([*steps, ("model", estimator)])
    notes = _guarded_fit(pipeline, table, _answers(data))
    sign = sign.model_copy(update={"probabilities": hasattr(pipeline, "predict_proba")})
    _check_classes(pipeline, data)
    return Fitted(pipeline, sign, encoding.encode(sign, _probes(inputs, data.test))), notes


def _estimator(context: Context, data: Prepared) -> Any:
    training = context.spec.spec.training
    settings = estimators.classes_as_indices(training.hyperparameters, data.classes)
    if training.entrypoint is not None:
        estimator = entrypoint.build(context.root, training.entrypoint, settings)
    else:
        estimator = estimators.build(training.estimator or "", settings, context.params.allow)
    kind = estimators.task_of(estimator)
    if (kind == "regression") != (data.task == "regression"):
        name = training.entrypoint or training.estimator
        message = f"{name} is for {kind}, and the target {data.target} asks for {data.task}"
        raise SpecError(message, reason="WrongTask", hint="choose another estimator or target type")
    return estimator


def _recipe(settings: Any, estimator: Any) -> preprocessing.Recipe | None:
    """Return how features become numbers; None: they are handed over as they are."""
    match settings:
        case "auto":
            return preprocessing.automatic(estimator)
        case "none":
            return None
        case _:
            return preprocessing.spelled(settings)


def _layout(
    context: Context, data: Prepared, recipe: preprocessing.Recipe | None
) -> tuple[tuple[Input, ...], tuple[Tensor, ...]]:
    rounded = context.spec.spec.data.precision == "float32"
    if recipe is None:
        return data.inputs, preprocessing.plain(data.inputs, rounded=rounded)
    inputs = tuple(item for item in data.inputs if item.name not in recipe.drop)
    return inputs, preprocessing.packed(inputs, recipe, rounded=rounded)


def _signature(
    context: Context,
    data: Prepared,
    inputs: tuple[Input, ...],
    tensors: tuple[Tensor, ...],
    estimator: Any,
) -> Signature:
    section = context.spec.spec.data
    return Signature(
        model=context.name,
        task=data.task,
        form="native",
        precision=section.precision,
        inputs=inputs,
        tensors=tensors,
        target=data.target,
        classes=data.classes,
        positive=data.positive,
        probabilities=hasattr(estimator, "predict_proba"),
    )


def _takes_sparse(estimator: Any) -> bool:
    from sklearn.utils import get_tags

    return bool(get_tags(estimator).input_tags.sparse)


def _answers(data: Prepared) -> np.ndarray[Any, Any]:
    """Return the training target: numbers, or the indices of the classes."""
    column = data.train[data.target]
    if data.classes is None:
        return column.to_numpy().astype(np.float64)
    indices = {label: index for index, label in enumerate(data.classes)}
    return np.array([indices[label] for label in column.to_list()], dtype=np.int64)


def _guarded_fit(pipeline: Any, table: pl.DataFrame, answers: Any) -> tuple[str, ...]:
    """Fit, and return the warnings about convergence; the one boundary around foreign code."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", ConvergenceWarning)
        try:
            pipeline.fit(table, answers)
        except ReconcilerError:
            raise
        except Exception as error:  # an estimator, or a user's code, may raise anything
            words = " ".join(str(error).split())
            message = f"the estimator failed: {type(error).__name__}: {words:.600}"
            raise TerminalError(message, reason="TrainingFailed") from error
    return tuple(dict.fromkeys(str(item.message).splitlines()[0] for item in caught))


def _check_classes(pipeline: Any, data: Prepared) -> None:
    """Refuse a model that knows fewer classes than the signature names."""
    if data.classes is None:
        return
    known = set(np.asarray(pipeline.classes_).tolist())
    if absent := [label for index, label in enumerate(data.classes) if index not in known]:
        message = f"no training row has {data.target} = {', '.join(map(str, absent))}"
        hint = "split by `stratified`, or add rows of that class"
        raise TerminalError(message, reason="ClassMissing", hint=hint)


def _probes(inputs: tuple[Input, ...], test: pl.DataFrame) -> pl.DataFrame:
    """Return the test rows, and rows made awkward: unknown categories, and missing values."""
    import polars as pl

    table = test.select([item.name for item in inputs])
    rows, schema = [table], table.schema
    for item in inputs:
        dtype = schema[item.name]
        if item.nullable:
            rows.append(table.head(1).with_columns(pl.lit(None, dtype).alias(item.name)))
        if item.type == "category":
            rows.append(table.head(1).with_columns(pl.lit("\u2400 unknown").alias(item.name)))
    return pl.concat(rows)


def _export(context: Context, fitted: Fitted) -> Exported:
    from reconciler.pipeline.export import export

    section = context.spec.spec
    inputs = fitted.signature.inputs
    layouts = [fitted.signature.tensors]
    if section.training.preprocessing == "none":  # the estimator may pick columns by name
        rounded = section.data.precision == "float32"
        layouts.append(preprocessing.separate(inputs, rounded=rounded))
    distinct = dict.fromkeys(preprocessing.as_words(layout, inputs) for layout in layouts)
    return export(fitted, section.packaging.format, list(distinct))


def write(
    directory: Path, context: Context, data: Prepared, exported: Exported, notes: tuple[str, ...]
) -> None:
    """Write every file of the bundle; the manifest last, for it names the others.

    Where `data` has no rows for training, its test rows are made up: they serve as examples, and
    nothing is measured against them.
    """
    training = context.spec.spec.training
    sign = exported.signature
    model = manifest.MODEL_FILES[exported.form]
    (directory / model).write_bytes(exported.content)
    _json(directory / signature.FILE, sign.model_dump(mode="json"))
    _json(directory / "split.json", data.split)
    text = card.render(
        sign,
        training=training.model_dump(mode="json"),
        source=context.spec.spec.data.source or context.spec.spec.data.test or "",
        rows=(data.train.height, data.test.height),
        reason=exported.reason,
        runtime=context.params.runtime,
        warnings=(*data.warnings, *notes),
    )
    (directory / "card.md").write_text(text, encoding="utf-8")
    _seal(directory, context, data, exported)  # so that the bundle opens, and answers for itself
    predictor = open_bundle(directory, training.threads)
    answers = predictor.predict(data.test if data.train.height else data.test.clear())
    _json(directory / "reference.json", profile.reference(sign.inputs, data.train, answers))
    _json(directory / "examples.json", _examples(predictor, data.test))
    _seal(directory, context, data, exported)


def _seal(directory: Path, context: Context, data: Prepared, exported: Exported) -> None:
    statement = manifest.Manifest(
        format=FORMAT,
        model=context.name,
        form=exported.form,
        form_reason=exported.reason,
        files=manifest.checksums(directory),
        runtime=dict(sorted(context.params.runtime.items())),
        seed=context.spec.spec.training.seed,
        inputs=digest(_inputs(context, data)),
    )
    _json(directory / manifest.FILE, statement.model_dump(mode="json"))


def _inputs(context: Context, data: Prepared) -> dict[str, Any]:
    """Return everything that goes into a training, as a plain value."""
    section = context.spec.spec
    code = section.training.entrypoint
    files = [code.partition(":")[0], *section.training.deps] if code else []
    return {
        "data": compilation.section(context.spec, "data"),
        "training": compilation.section(context.spec, "training"),
        "packaging": section.packaging.model_dump(mode="json"),
        "prepared": dict(data.checksums),
        "code": {name: manifest.sha256(context.root / name) for name in sorted(files)},
        "runtime": dict(context.params.runtime),
        "format": FORMAT,
    }


def _examples(predictor: Predictor, test: pl.DataFrame) -> dict[str, Any]:
    """Return golden rows, spread evenly over the test split, and the model's answers."""
    count = min(_EXAMPLES, test.height)
    places = np.unique(np.linspace(0, max(test.height - 1, 0), count).astype(int)).tolist()
    names = [item.name for item in predictor.signature.inputs]
    rows = test[places].select(names)
    answers = predictor.predict(rows)
    examples: dict[str, Any] = {
        "rows": rows.to_dicts(),
        "predictions": answers.values.tolist(),
    }
    if answers.probabilities is not None:
        examples["probabilities"] = answers.probabilities.tolist()
    return examples


def _json(path: Path, value: Any) -> None:
    text = json.dumps(
        value, indent=1, ensure_ascii=False, default=lambda moment: moment.isoformat()
    )
    path.write_text(text + "\n", encoding="utf-8")
