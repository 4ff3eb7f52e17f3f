"""One row through a bundle, beside ONNX Runtime alone and beside scikit-learn.

    python bench/predict.py

The peer is `session.run` with its input ready and its session configured as ours. Both are timed
in turns, round by round, in one process on one thread; the fastest round counts, for other load
on the machine only ever adds. Prints a table, and writes bench/results/predict.json.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import polars as pl

from reconciler.bundle import encoding, native
from reconciler.bundle.predictor import open_bundle
from reconciler.pipeline import prepare, train
from reconciler.pipeline.context import Context
from reconciler.spec.model import ModelSpec
from reconciler.spec.params import Params

RESULTS = Path(__file__).resolve().parent / "results"
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
ROUNDS, CALLS, SLOW_CALLS = 31, 300, 5

Sections = dict[str, Any]


def models() -> dict[str, tuple[Sections, Sections]]:
    """Return the data and training sections to measure; real tables where they are there."""
    tables: dict[str, tuple[Sections, Sections]] = {
        "diabetes": (
            {"source": "sklearn:diabetes", "target": "target"},
            {"estimator": "sklearn.linear_model.Ridge"},
        ),
        "breast-cancer": (
            {"source": "sklearn:breast_cancer", "target": "target"},
            {"estimator": "sklearn.linear_model.LogisticRegression"},
        ),
        "wine": (
            {"source": "sklearn:wine", "target": "target"},
            {
                "estimator": "sklearn.ensemble.RandomForestClassifier",
                "hyperparameters": {"n_estimators": 60, "min_samples_leaf": 2},
            },
        ),
        "digits": (
            {"source": "sklearn:digits", "target": "target"},
            {
                "estimator": "sklearn.neural_network.MLPClassifier",
                "hyperparameters": {"hidden_layer_sizes": [64]},
            },
        ),
    }
    if SHARED.is_dir():
        tables |= {
            "housing": (
                {"source": "housing.csv", "target": "median_house_value"},
                {
                    "estimator": "sklearn.ensemble.RandomForestRegressor",
                    "hyperparameters": {"n_estimators": 50, "min_samples_leaf": 5},
                },
            ),
            "churn": (
                {
                    "source": "telco_churn.csv",
                    "target": "Churn",
                    "ignore": ["customerID"],
                    "columns": {"TotalCharges(Rs.)": {"type": "number", "nulls": [" "]}},
                },
                {"estimator": "sklearn.ensemble.HistGradientBoostingClassifier"},
            ),
            "bike": (
                {
                    "source": "bike_hour.csv",
                    "target": "cnt",
                    "ignore": ["instant", "casual", "registered"],
                    "columns": {"dteday": {"type": "datetime"}},
                },
                {"estimator": "sklearn.ensemble.HistGradientBoostingRegressor"},
            ),
            "spam": (
                {
                    "source": "sms_spam.tsv",
                    "target": "label",
                    "reader": {"header": False, "names": ["label", "text"], "quote": None},
                    "columns": {"text": {"type": "text"}},
                },
                {"estimator": "sklearn.linear_model.LogisticRegression"},
            ),
        }
    return tables


def trained(root: Path, name: str, data: Sections, training: Sections, form: str) -> Path:
    """Train one model below `root`, and return its bundle."""
    spec = ModelSpec.model_validate(
        {
            "apiVersion": "reconciler/v1",
            "kind": "Model",
            "metadata": {"name": name},
            "spec": {
                "data": data,
                "training": training,
                "packaging": {"format": form},
                "acceptance": [{"metric": "latency_p99_ms", "max": 5}],
            },
        }
    )
    source = data["source"]
    if not source.startswith("sklearn:") and not (root / source).exists():
        (root / source).symlink_to(SHARED / source)
    context = Context(name, root, spec, Params())
    prepare.run(context)
    train.run(context)
    return root / "models" / name


def measure(root: Path, name: str, data: Sections, training: Sections) -> dict[str, Any]:
    """Return the times in microseconds, and how many inputs the model has."""
    pipeline = native.load(trained(root, name, data, training, "native") / "model.skops")
    table = pl.read_parquet(root / "data" / "prepared" / name / "test.parquet")
    row = next(r for r in table.to_dicts() if all(v is not None for v in r.values()))
    shape = open_bundle(root / "models" / name).signature
    one = {item.name: [row[item.name]] for item in shape.inputs}
    frame = native.frame(shape, encoding.encode(shape, one))

    bundle = trained(root, name, data, training, "onnx")
    predictor = open_bundle(bundle)
    row = {item.name: row[item.name] for item in predictor.signature.inputs}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    content = (bundle / "model.onnx").read_bytes()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    feed = encoding.encode(predictor.signature, one)
    answer = pipeline.predict_proba if predictor.signature.probabilities else pipeline.predict
    ours, alone = fastest(
        (lambda: predictor.predict_one(row), CALLS), (lambda: session.run(None, feed), CALLS)
    )
    (slow,) = fastest((lambda: answer(frame), SLOW_CALLS))
    return {
        "inputs": len(predictor.signature.inputs),
        "predict_one_us": round(ours, 1),
        "onnxruntime_us": round(alone, 1),
        "ratio": round(ours / alone, 2),
        "scikit_learn_us": round(slow, 1),
    }


def fastest(*tasks: tuple[Callable[[], object], int]) -> list[float]:
    """Return the microseconds per call of every task, in its fastest round."""
    times: list[list[float]] = [[] for _ in tasks]
    for _ in range(ROUNDS):
        for kept, (call, count) in zip(times, tasks, strict=True):
            start = time.perf_counter()
            for _ in range(count):
                call()
            kept.append((time.perf_counter() - start) / count * 1e6)
    return [min(kept) for kept in times]


def main() -> None:
    """Measure every model, print the table, write the results."""
    results = {}
    head = f"{'model':15}{'inputs':>7}{'one row':>10}{'runtime':>10}{'ratio':>7}{'sklearn':>10}"
    print(f"{head}   (us)")
    with tempfile.TemporaryDirectory() as folder:
        for name, (data, training) in models().items():
            found = measure(Path(folder), name, data, training)
            results[name] = found
            print(
                f"{name:15}"
                + "".join(
                    f"{v:>{w}}" for v, w in zip(found.values(), (7, 10, 10, 7, 10), strict=True)
                ),
                flush=True,
            )
    worst = max(found["ratio"] for found in results.values())
    mean = float(np.mean([found["ratio"] for found in results.values()]))
    print(f"worst ratio {worst}, mean {mean:.2f}; to reach: 2")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "predict.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
