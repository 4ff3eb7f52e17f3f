"""A file of the user's repository builds the estimator."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import polars as pl
import pytest

from reconciler.errors import SpecError, TerminalError


def table() -> pl.DataFrame:
    random = np.random.default_rng(5)
    x = random.normal(size=120)
    kind = random.choice(["a", "b"], 120)
    return pl.DataFrame({"x": x, "kind": kind, "y": x + (kind == "a")})


def write(workspace: Any, code: str, name: str = "price.py") -> None:
    folder = workspace.root / "training"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(code)


BY_NAME = """
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

def build(trees):
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["x"]),
            ("kinds", OneHotEncoder(handle_unknown="ignore"), ["kind"]),
        ]
    )
    return make_pipeline(columns, RandomForestRegressor(n_estimators=trees))
"""


def test_a_pipeline_that_picks_columns_by_name_leaves_as_onnx(workspace: Any) -> None:
    workspace.prepare(table(), "y", "regression")
    write(workspace, BY_NAME)
    digests = set()
    for _ in range(2):
        predictor = workspace.train(
            entrypoint="training/price.py:build",
            hyperparameters={"trees": 4},
            preprocessing="none",
            task="regression",
        )
        digests.add(workspace.digest())
    assert predictor.manifest.form == "onnx", predictor.manifest.form_reason
    assert len(digests) == 1, "the seed reaches the forest inside the pipeline"
    assert np.isfinite(predictor.predict_one({"x": 1.0, "kind": "never seen"}).values)


def test_an_estimator_alone_gets_the_usual_preprocessing(workspace: Any) -> None:
    workspace.prepare(table(), "y", "regression")
    write(workspace, "from sklearn.linear_model import Ridge\ndef build(**k): return Ridge(**k)\n")
    predictor = workspace.train(
        entrypoint="training/price.py:build", hyperparameters={"alpha": 0.1}, task="regression"
    )
    assert predictor.manifest.form == "onnx", predictor.manifest.form_reason


CUSTOM = """
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

class Mean(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        self.mean_ = float(np.mean(y))
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)

def build():
    return Mean()
"""


def test_an_estimator_of_the_users_own_class_is_refused_for_no_reader_may_load_it(
    workspace: Any,
) -> None:
    workspace.prepare(table(), "y", "regression")
    write(workspace, CUSTOM)
    with pytest.raises(TerminalError, match=r"shipped in no form: .*does not convert.*Mean"):
        workspace.train(entrypoint="training/price.py:build", task="regression")
    assert not workspace.bundle().exists()


def test_a_neighbouring_module_is_importable_and_leaves_no_byte_code(workspace: Any) -> None:
    workspace.prepare(table(), "y", "regression")
    write(workspace, "ALPHA = 2.0\n", "price_settings.py")
    code = (
        "from price_settings import ALPHA\nfrom sklearn.linear_model import Ridge\n"
        "def build():\n    return Ridge(alpha=ALPHA)\n"
    )
    write(workspace, code)
    before, path = sys.dont_write_bytecode, list(sys.path)
    try:
        workspace.train(entrypoint="training/price.py:build", deps=["training/price_settings.py"])
    finally:
        sys.dont_write_bytecode, sys.path[:] = before, path
    assert not (workspace.root / "training" / "__pycache__").exists()


@pytest.mark.parametrize(
    ("code", "reason", "message"),
    [
        ("import nowhere_at_all\n", "EntrypointFailed", "No module named 'nowhere_at_all'"),
        ("def make(): ...\n", "EntrypointMissing", "has no function build"),
        ("def build(alpha): ...\n", "EntrypointFailed", "missing 1 required positional"),
        ("def build(): raise ValueError('odd')\n", "EntrypointFailed", "ValueError: odd"),
        (
            "class Own:\n"
            "    fit = predict = get_params = set_params = lambda self, *a, **k: self\n"
            "def build(): return Own()\n",
            "NotAnEstimator",
            "Own is neither classifier nor regressor",
        ),
        ("def build(): return 3\n", "NotAnEstimator", "returned int, not an unfitted"),
        (
            "from sklearn.linear_model import Ridge as build_class\n"
            "def build(): return build_class\n",
            "NotAnEstimator",
            "not an unfitted estimator",
        ),
    ],
)
def test_an_entrypoint_that_does_not_work_is_said_so(
    workspace: Any, code: str, reason: str, message: str
) -> None:
    workspace.prepare(table(), "y", "regression")
    write(workspace, code)
    with pytest.raises((SpecError, TerminalError), match=message) as caught:
        workspace.train(entrypoint="training/price.py:build")
    assert caught.value.reason == reason


def test_an_entrypoint_that_is_not_there_is_said_so(workspace: Any) -> None:
    workspace.prepare(table(), "y", "regression")
    with pytest.raises(SpecError, match=r"training/nope\.py: there is no such file"):
        workspace.train(entrypoint="training/nope.py:build")


def test_the_code_is_part_of_what_went_in(workspace: Any) -> None:
    workspace.prepare(table(), "y", "regression")
    code = "from sklearn.linear_model import Ridge\ndef build(): return Ridge()\n"
    inputs = set()
    for text in (code, code + "# a remark\n"):
        write(workspace, text)
        inputs.add(workspace.train(entrypoint="training/price.py:build").manifest.inputs)
    assert len(inputs) == 2
