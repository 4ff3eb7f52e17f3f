"""The fingerprint: one digest of everything that decides a model's artifact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NewType

from reconciler.bundle.form import FORMAT
from reconciler.core.compilation import STAGES, section
from reconciler.core.digest import digest
from reconciler.core.graph import Stage
from reconciler.spec.model import ModelSpec
from reconciler.spec.params import Params

Fingerprint = NewType("Fingerprint", str)


@dataclass(frozen=True, slots=True)
class Contents:
    """Content ids of the files a model rests on, read from a git tree without a checkout."""

    data: str | None
    """`git:<blob or tree id>` or `md5:<from the .dvc file>`; None for `sklearn:` datasets."""

    code: Mapping[str, str]
    """Blob id of the entrypoint and of each file it declares; of an adopted model, the content id
    of everything that its stages read and none of them writes."""

    params: Mapping[str, object] = field(default_factory=dict)
    """Adopted models: `file:key` to value, of every parameter that the stages track."""


def fingerprint(
    spec: ModelSpec, params: Params, contents: Contents, pipeline: Mapping[str, object]
) -> Fingerprint:
    """Return what decides the artifact of `spec` as 64 hexadecimal digits.

    Thresholds, labels, rollout, deployment and the training timeout are not in it, nor is the
    `models:` map: changing them never trains.

    Args:
        spec: The spec with every default resolved.
        params: The fleet's params.yaml, of which the runtime counts (defaults are in `spec`).
        contents: Content ids of data and code.
        pipeline: dvc.yaml as plain values, of which the model's own stages count.
    """
    decisive = {
        "format": FORMAT,
        "data": section(spec, "data"),
        "training": section(spec, "training"),
        "packaging": section(spec, "packaging"),
        "contents": {"data": contents.data, "code": dict(contents.code)},
        "stages": _own_stages(pipeline),
        "runtime": dict(params.runtime),
    }
    return Fingerprint(digest(decisive))


def adopted(
    spec: ModelSpec, params: Params, contents: Contents, stages: Iterable[Stage]
) -> Fingerprint:
    """Return what decides the artifact of a model that the user's own stages train.

    Args:
        spec: The spec with every default resolved.
        params: The fleet's settings, of which the runtime counts.
        contents: What the stages read: content ids of files, values of parameters.
        stages: The stages of the model and all before them.
    """
    decisive = {
        "format": FORMAT,
        "data": section(spec, "data"),
        "training": section(spec, "training"),
        "packaging": section(spec, "packaging"),
        "contents": {"code": dict(contents.code), "params": dict(contents.params)},
        "stages": {stage.name: dict(stage.body) for stage in stages},
        "runtime": dict(params.runtime),
    }
    return Fingerprint(digest(decisive))


def _own_stages(pipeline: Mapping[str, object]) -> dict[str, object]:
    stages = pipeline.get("stages")
    if not isinstance(stages, Mapping):
        return {}
    return {name: stages[name] for name in STAGES if name in stages}
