"""Checks of a spec that adopts stages of the repository's own dvc.yaml."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.spec.checks.data import SUFFIXES, suffix
from reconciler.spec.checks.paths import malformed
from reconciler.spec.model import DataSpec, Rule, TrainingSpec
from reconciler.spec.problems import Finding, Keys

_TRAINING = ("spec", "training")
_DATA = ("spec", "data")
#: What belongs to a model that is trained here.
OF_TRAINING = ("estimator", "entrypoint", "deps", "hyperparameters", "preprocessing", "seed")
OF_DATA = ("source", "split", "leakage")
#: Endings of tables of rows that only their own program can read: the adopting step loads them.
OBJECTS = frozenset({".joblib", ".npy", ".npz", ".pickle", ".pkl"})
_NO_TEST = "there is no table of predictions: the metrics are those of training.metrics_file"


def check(training: TrainingSpec, data: DataSpec) -> Iterator[Finding]:
    """Give what is wrong with the sections of an adopted model.

    Whether dvc.yaml has the stages, and whether they write these files, is asked when the
    pipeline is at hand.

    Args:
        training: The section, with `stages`.
        data: The section; an empty one where the spec has none.
    """
    yield from _training(training)
    yield from _data(data)
    if data.test is None and training.metrics_file is None:
        hint = (
            "the table of held-out rows that the model is scored on; where there is none, "
            "training.metrics_file is judged, and the record says that it is self-reported"
        )
        yield Finding((*_DATA, "test"), "is missing", hint)
    if data.test is not None and training.metrics_file is not None:
        message = "is not judged: the metrics are computed on data.test"
        yield Finding((*_TRAINING, "metrics_file"), message, "leave it out", "warning")


def check_rule(rule: Rule, at: Keys) -> Iterator[Finding]:
    """Give what a rule asks that self-reported metrics cannot answer."""
    hint = "declare data.test, or leave the rule out"
    if rule.slice is not None:
        yield Finding((*at, "slice"), f"slices cannot be judged: {_NO_TEST}", hint)
    if rule.compare is not None:
        yield Finding((*at, "compare"), f"models cannot be compared: {_NO_TEST}", hint)


def only_adopted(training: TrainingSpec, data: DataSpec) -> Iterator[Finding]:
    """Give the keys that say something only together with `stages`."""
    hint = "name the stages of dvc.yaml under training.stages, or leave it out"
    for keys, value in (
        ((*_TRAINING, "model"), training.model),
        ((*_TRAINING, "metrics_file"), training.metrics_file),
        ((*_DATA, "test"), data.test),
    ):
        if value is not None:
            message = f"only a model with training.stages has {keys[-1]}"
            yield Finding(keys, message, hint, at_key=True)


def _training(training: TrainingSpec) -> Iterator[Finding]:
    for key in OF_TRAINING:
        if key in training.model_fields_set:
            message = f"{key} says nothing here: the stages of dvc.yaml train the model"
            yield Finding((*_TRAINING, key), message, "leave it out", at_key=True)
    for index, name in enumerate(training.stages):
        if ":" in name or "/" in name:
            message = f"{name[:80]} is not a stage of the dvc.yaml at the top of the repository"
            hint = "only these can be adopted; name the stage alone, such as train"
            yield Finding((*_TRAINING, "stages", index), message, hint)
    if training.model is None:
        hint = "the file in which the stages leave the fitted model, such as models/model.pkl"
        yield Finding((*_TRAINING, "model"), "is missing", hint)
    for key in ("model", "metrics_file"):
        yield from _path(getattr(training, key), (*_TRAINING, key))


def _data(data: DataSpec) -> Iterator[Finding]:
    for key in OF_DATA:
        if key in data.model_fields_set:
            message = f"{key} says nothing here: the stages of dvc.yaml read and split their data"
            yield Finding((*_DATA, key), message, "leave it out", at_key=True)
    if data.test is None:
        return
    yield from _path(data.test, (*_DATA, "test"))
    if not data.target:
        yield Finding((*_DATA, "target"), "is missing", "the column to predict")
    if data.format is None and suffix(data.test) not in (*SUFFIXES, *OBJECTS):
        hint = "set data.format: csv, tsv, parquet or jsonl"
        message = "the file's ending does not say how it is written"
        yield Finding((*_DATA, "test"), message, hint)


def _path(path: str | None, keys: Keys) -> Iterator[Finding]:
    if path is not None and (why := malformed(path)):
        hint = "give the path from the repository's root, such as models/model.pkl"
        yield Finding(keys, f"{path[:80]!r} cannot be used: {why}", hint)
