"""Compilation: what DVC cannot see in a spec, folded into one line of params.yaml per model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from reconciler.bundle.form import FORMAT
from reconciler.core.digest import digest

if TYPE_CHECKING:
    from reconciler.spec.model import ModelSpec
    from reconciler.spec.params import Params

SPECS = "specs"
PARAMS = "params.yaml"
PIPELINE = "dvc.yaml"
LOCK = "dvc.lock"
#: The fleet's settings where params.yaml is the user's own, with a pipeline of theirs.
SETTINGS = "reconciler.yaml"
RUNTIME_IMAGE = f"{SPECS}/runtime.txt"

#: The folder of what is made of adopted models; it exists in slots alone.
ADOPTED = "adopted"
#: The stages that follow the user's own, for a model that is adopted.
ADOPTING = ("reconciler-adopt", "reconciler-evaluate")

#: A model's own stages, in the order in which they run.
STAGES = ("prepare", "train", "evaluate")

#: Keys of a spec that either only adopted models have, or all but these.
_EITHER = frozenset({"metrics_file", "model", "source", "stages", "target", "test"})

#: Hyperparameters that take a count as an integer and a share as a float.
COUNT_OR_SHARE = frozenset(
    {
        "max_features",
        "max_samples",
        "min_samples",
        "min_samples_leaf",
        "min_samples_split",
    }
)


@dataclass(frozen=True, slots=True)
class Places:
    """Where the stages of one model leave their outputs, from the repository's top."""

    prepared: str
    """The held-out rows and the report on the data."""
    bundle: str
    report: str
    """Predictions, metrics and plot."""


def places(name: str, *, adopted: bool) -> Places:
    """Return where the outputs of model `name` are.

    Those of an adopted model exist in slots alone, in a folder of their own: `models/` and
    `data/prepared/` may well be outputs of the user's stages.
    """
    if adopted:
        base = f"{ADOPTED}/{name}"
        return Places(f"{base}/prepared", f"{base}/bundle", f"{base}/report")
    return Places(f"data/prepared/{name}", f"models/{name}", f"reports/{name}")


def ours(pipeline: object) -> bool:
    """Return whether a dvc.yaml has our stages, perhaps changed, perhaps with others beside."""
    stages = pipeline.get("stages") if isinstance(pipeline, Mapping) else None
    found = [stages.get(name) for name in STAGES] if isinstance(stages, Mapping) else [None]
    return all(isinstance(one, Mapping) and one.get("foreach") == "${models}" for one in found)


def settings_path(params: object, pipeline: object) -> str:
    """Return where the fleet's settings belong in a repository that has none.

    Args:
        params: params.yaml as plain values; None: there is none.
        pipeline: dvc.yaml as plain values; None: there is none.

    Returns:
        params.yaml; or a file of its own, where params.yaml belongs to the user's own pipeline,
        whose stages may depend on it as a whole and name its keys as they like.
    """
    marked = isinstance(params, Mapping) and str(params.get("apiVersion")).startswith("reconciler/")
    theirs = params is not None and pipeline is not None and not ours(pipeline)
    return SETTINGS if theirs and not marked else PARAMS


def spec_path(name: str) -> str:
    """Return where the spec of model `name` stands in the repository."""
    return f"{SPECS}/{name}.yaml"


def data_path(spec: ModelSpec) -> str | None:
    """Return the file or folder the data is read from; None for `sklearn:` datasets, and when
    the model is adopted.
    """
    source = spec.spec.data.source
    return None if not source or source.startswith("sklearn:") else str(PurePosixPath(source))


def code_path(spec: ModelSpec) -> str | None:
    """Return the file of the entrypoint; None for an estimator of a library."""
    entrypoint = spec.spec.training.entrypoint
    return None if entrypoint is None else str(PurePosixPath(entrypoint.partition(":")[0]))


def rests_on(spec: ModelSpec) -> tuple[str, ...] | None:
    """Return the files and folders that the spec names; None: anything in the tree may count."""
    training = spec.spec.training
    if training.adopts or (training.estimator is None and training.entrypoint is None):
        return None
    named = (data_path(spec), code_path(spec), *training.deps)
    return tuple(path for path in named if path is not None)


def line(
    spec: ModelSpec, raw: Mapping[str, object], params: Params, deps: Mapping[str, str]
) -> dict[str, str]:
    """Return the model's entry in the `models:` map of params.yaml.

    Args:
        spec: The spec with every default resolved.
        raw: The same spec as it is written: what stands here, DVC sees by itself.
        params: The fleet's params.yaml; its runtime counts, its `models:` map does not.
        deps: Content id of each further file the entrypoint declares.

    Returns:
        `data` and `code`, the paths that the stages depend on, and `digest`, which changes
        exactly when something decides the artifact that neither path nor spec section shows.
    """
    unseen = {
        "format": FORMAT,
        "runtime": dict(params.runtime),
        "defaults": {key: _unwritten(spec, raw, key) for key in ("data", "training")},
        "packaging": spec.spec.packaging.model_dump(mode="json"),
        "deps": dict(deps),
        **_counts(spec),
    }
    return {
        "data": data_path(spec) or RUNTIME_IMAGE,
        "code": code_path(spec) or RUNTIME_IMAGE,
        "digest": digest(unseen)[:16],
    }


def section(spec: ModelSpec, key: str) -> dict[str, object]:
    """Return section `key` of the spec as plain values, without what decides no artifact."""
    dumped: dict[str, object] = getattr(spec.spec, key).model_dump(mode="json")
    if key == "training":
        dumped.pop("timeout", None)
    return {name: value for name, value in dumped.items() if name not in _EITHER or value}


def _counts(spec: ModelSpec) -> dict[str, object]:
    """Return hyperparameters that are the count 1 where the same name also takes a share.

    To scikit-learn `max_features: 1` is one feature and `1.0` is all of them; to DVC they are
    equal.
    """
    given = spec.spec.training.hyperparameters.items()
    found = sorted(n for n, v in given if n.split("__")[-1] in COUNT_OR_SHARE and _is_one(v))
    return {"counts": found} if found else {}


def _is_one(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value == 1


def _unwritten(spec: ModelSpec, raw: Mapping[str, object], key: str) -> object:
    body = raw.get("spec")
    written = body.get(key) if isinstance(body, Mapping) else None
    return _without(section(spec, key), written)


def _without(resolved: object, written: object) -> object:
    """Return the part of `resolved` that does not stand in `written`."""
    if not isinstance(resolved, Mapping) or not isinstance(written, Mapping):
        return resolved if written is None else {}
    rest = {key: _without(value, written.get(key)) for key, value in resolved.items()}
    return {key: value for key, value in rest.items() if value != {}}


def blob_id(content: bytes) -> str:
    """Return the id that git gives `content` as a blob, so that no repository is needed."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
