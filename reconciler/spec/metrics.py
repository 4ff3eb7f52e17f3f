"""The metrics that rules may name: for which task, and in which direction each is better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Task = Literal["regression", "binary", "multiclass"]

_REGRESSION: frozenset[Task] = frozenset({"regression"})
_BINARY: frozenset[Task] = frozenset({"binary"})
_CLASSES: frozenset[Task] = frozenset({"binary", "multiclass"})
_ANY: frozenset[Task] = _REGRESSION | _CLASSES


@dataclass(frozen=True, slots=True)
class Metric:
    """What is known of one metric without computing it."""

    name: str
    better: Literal["higher", "lower"]
    tasks: frozenset[Task]
    needs: Literal["numbers", "labels", "scores", "system"]
    """What it is computed from; `system`: measured on the bundle as it is served."""


def _metrics() -> tuple[Metric, ...]:
    averaged = tuple(
        Metric(f"{kind}_{average}", "higher", _CLASSES, "labels")
        for kind in ("precision", "recall", "f1")
        for average in ("macro", "micro", "weighted")
    )
    return (
        Metric("accuracy", "higher", _CLASSES, "labels"),
        Metric("balanced_accuracy", "higher", _CLASSES, "labels"),
        Metric("precision", "higher", _BINARY, "labels"),
        Metric("recall", "higher", _BINARY, "labels"),
        Metric("f1", "higher", _BINARY, "labels"),
        *averaged,
        Metric("matthews_corrcoef", "higher", _CLASSES, "labels"),
        Metric("cohen_kappa", "higher", _CLASSES, "labels"),
        Metric("roc_auc", "higher", _CLASSES, "scores"),
        Metric("average_precision", "higher", _CLASSES, "scores"),
        Metric("log_loss", "lower", _CLASSES, "scores"),
        Metric("brier", "lower", _CLASSES, "scores"),
        Metric("mse", "lower", _REGRESSION, "numbers"),
        Metric("rmse", "lower", _REGRESSION, "numbers"),
        Metric("mae", "lower", _REGRESSION, "numbers"),
        Metric("r2", "higher", _REGRESSION, "numbers"),
        Metric("median_absolute_error", "lower", _REGRESSION, "numbers"),
        Metric("mape", "lower", _REGRESSION, "numbers"),
        Metric("max_error", "lower", _REGRESSION, "numbers"),
        Metric("explained_variance", "higher", _REGRESSION, "numbers"),
        Metric("latency_p50_ms", "lower", _ANY, "system"),
        Metric("latency_p99_ms", "lower", _ANY, "system"),
        Metric("memory_mb", "lower", _ANY, "system"),
        Metric("size_mb", "lower", _ANY, "system"),
    )


METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _metrics()}


def measured(name: str) -> bool:
    """Return whether a metric is measured on the bundle; self-reported ones may have any name."""
    return name in METRICS and METRICS[name].needs == "system"


#: Other words for them, scikit-learn's own among them, without `neg_` and `_score`: suggestions.
ALIASES: Mapping[str, str] = {
    "auc": "roc_auc",
    "brier_loss": "brier",
    "brier_score_loss": "brier",
    "cross_entropy": "log_loss",
    "kappa": "cohen_kappa",
    "latency": "latency_p99_ms",
    "latency_ms": "latency_p99_ms",
    "logloss": "log_loss",
    "mcc": "matthews_corrcoef",
    "mean_absolute_error": "mae",
    "mean_absolute_percentage_error": "mape",
    "mean_squared_error": "mse",
    "memory": "memory_mb",
    "p50": "latency_p50_ms",
    "p99": "latency_p99_ms",
    "pr_auc": "average_precision",
    "roc_auc_ovo": "roc_auc",
    "roc_auc_ovr": "roc_auc",
    "root_mean_squared_error": "rmse",
    "size": "size_mb",
    **{name: name for name in METRICS},
}
