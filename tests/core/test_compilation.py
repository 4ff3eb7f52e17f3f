"""The compiled line: what DVC cannot see changes it, and nothing else does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reconciler.core.compilation import COUNT_OR_SHARE, line
from reconciler.core.fingerprint import Contents, fingerprint
from reconciler.spec.model import ModelSpec
from reconciler.spec.params import Params

CATALOGUE = Path(__file__).resolve().parents[2] / "reconciler" / "spec" / "catalogue.json"
DEFAULTS = Params(runtime={"scikit-learn": "1.9"})


def raw(**changes: Any) -> dict[str, Any]:
    training = {"estimator": "sklearn.linear_model.Ridge", "hyperparameters": {"alpha": 1.0}}
    body: dict[str, Any] = {
        "data": {"source": "data/x.csv", "target": "y"},
        "training": {**training, **changes.pop("training", {})},
        "acceptance": [{"metric": "r2", "min": 0.1}],
        **changes,
    }
    return {
        "apiVersion": "reconciler/v1",
        "kind": "Model",
        "metadata": {"name": "m"},
        "spec": body,
    }


def compiled(plain: dict[str, Any], params: Params = DEFAULTS) -> dict[str, str]:
    return line(ModelSpec.model_validate(plain), plain, params, {})


def printed(plain: dict[str, Any], params: Params = DEFAULTS) -> str:
    spec = ModelSpec.model_validate(plain)
    return fingerprint(spec, params, Contents("git:1", {}), {"stages": {"train": {"cmd": "x"}}})


def test_what_dvc_tracks_in_the_spec_leaves_the_line_alone() -> None:
    changed = raw(training={"hyperparameters": {"alpha": 0.5}})
    assert compiled(changed) == compiled(raw())
    assert printed(changed) != printed(raw())


def test_thresholds_and_timeouts_decide_neither_line_nor_fingerprint() -> None:
    looser = raw(acceptance=[{"metric": "r2", "min": 0.0}])
    longer = raw(training={"timeout": "2h"})
    for other in (looser, longer):
        assert printed(other) == printed(raw())
    assert compiled(looser) == compiled(raw())


def test_a_default_that_is_written_out_keeps_the_fingerprint() -> None:
    assert printed(raw(training={"seed": 0})) == printed(raw())


def test_the_runtime_decides_both() -> None:
    upgraded = Params(runtime={"scikit-learn": "2.0"})
    assert compiled(raw(), upgraded) != compiled(raw())
    assert printed(raw(), upgraded) != printed(raw())


def test_the_count_one_and_the_share_one_are_told_apart() -> None:
    count, share = (raw(training={"hyperparameters": {"max_features": v}}) for v in (1, 1.0))
    assert compiled(count) != compiled(share)
    assert printed(count) != printed(share)


def test_every_parameter_that_takes_count_or_share_is_known() -> None:
    estimators = json.loads(CATALOGUE.read_text())["estimators"]
    found = set()
    for estimator in estimators.values():
        for name, (_, accepted) in estimator["parameters"].items():
            kinds = {item["numbers"] for item in accepted if isinstance(item, dict)}
            if {"integer", "fraction"} <= kinds:
                found.add(name)
    assert found - {"cv", "validation_fraction"} == COUNT_OR_SHARE
