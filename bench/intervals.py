"""Which bootstrap interval keeps its word? Acceptances of a challenger at the margin's edge.

    python bench/intervals.py [--seeds 2000]

Errors of champion and challenger are correlated and have the tails of Student's t; the squared
errors are skewed, as real ones are. Labels disagree in few rows. A share of 0.05 is the promise;
with 2,000 seeds its own error is 0.005. Prints tables, and writes bench/results/intervals.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from reconciler.core import comparison
from reconciler.core.bootstrap import interval
from reconciler.core.metrics import Moments, Scored, Vector, statistic
from reconciler.spec.model import Rule

RESULTS = Path(__file__).resolve().parent / "results"
RMSE = Rule(metric="rmse", compare="champion", margin="1%")
RECALL = Rule(metric="recall", compare="champion", margin="1%")
RESAMPLES = 1000
TAILS, ALIKE = (5.0, 100.0), 0.99
NORMAL = NormalDist()


def lower(values: Vector, level: float) -> float:
    """Return the quantile of the resampled values, as the interval's lower end."""
    return float(np.quantile(values, level))


def resampled(moments: Moments, rows: int, seed: int) -> Vector:
    """Return the statistic on resamples."""
    generator = np.random.default_rng(seed)
    weights = np.empty((RESAMPLES, rows))
    for each in weights:
        each[:] = np.bincount(generator.integers(0, rows, rows), minlength=rows)
    return moments(weights)


def bca(values: Vector, estimate: float, moments: Moments, rows: int) -> float:
    """Return the lower end of the bias-corrected and accelerated interval."""
    left = moments.value((moments.columns.sum(axis=0) - moments.columns) / (rows - 1))
    away = left.mean() - left
    curve = float((away**3).sum() / (6 * (away**2).sum() ** 1.5))
    shift = NORMAL.inv_cdf(min(max(float((values < estimate).mean()), 0.001), 0.999))
    moved = shift + NORMAL.inv_cdf(0.05)
    return lower(values, NORMAL.cdf(shift + moved / (1 - curve * moved)))


def bounds(room: Moments, rows: int, seed: int) -> dict[str, float]:
    """Return the lower end of every kind of interval; ours is the gate's own."""
    values, ones = resampled(room, rows, seed), np.ones(rows)
    estimate = float(room(ones[None, :])[0])
    return {
        "percentile": lower(values, 0.05),
        "basic": 2 * estimate - lower(values, 0.95),
        "bca": bca(values, estimate, room, rows),
        "ours": interval(room, ones, 0.95, str(seed)).low,
    }


def numbers(rows: int, tail: float, seeds: int) -> dict[str, float]:
    """Return the share of challengers, 1 % worse in RMSE, that each interval lets in."""
    accepted: dict[str, int] = {}
    for seed in range(seeds):
        rng = np.random.default_rng([seed, rows])
        own, other = rng.standard_normal((2, rows))
        size = np.sqrt(tail / rng.chisquare(tail, rows))
        champion = own * size
        challenger = 1.01 * (ALIKE * own + np.sqrt(1 - ALIKE**2) * other) * size
        zero = np.zeros(rows)
        mine = statistic("rmse", Scored(zero, challenger))
        theirs = statistic("rmse", Scored(zero, champion))
        assert mine is not None
        assert theirs is not None
        room = comparison.room(RMSE, mine, theirs)
        assert isinstance(room, Moments)
        for name, low in bounds(room, rows, seed).items():
            accepted[name] = accepted.get(name, 0) + (low > 0)
    return {name: count / seeds for name, count in accepted.items()}


def labels(rows: int, found: float, seeds: int) -> dict[str, float]:
    """Return the share of challengers, 1 % worse in recall, let in with and without added rows."""
    missed, share = 0.01 * found, 0.015
    # Of a positive row: both right, champion alone, challenger alone, neither.
    chances = [found - share - missed, share + missed, share, 1 - found - share]
    accepted = {"as they are": 0, "one row added": 0}
    for seed in range(seeds):
        rng = np.random.default_rng([seed, rows])
        kind = rng.choice(4, rows, p=chances)
        positive = rng.random(rows) < 0.3
        both = [(positive & np.isin(kind, right)).astype(int) for right in ((0, 2), (0, 1))]
        pair = [Scored(positive.astype(int), answer, None, (0, 1), 1) for answer in both]
        mine, theirs, counts = comparison.cells(RECALL, pair[0], pair[1])
        room = comparison.room(RECALL, mine, theirs)
        plain = np.where(np.arange(len(counts)) < len(counts) - 2, counts, 1e-12)
        accepted["one row added"] += interval(room, counts, 0.95, str(seed)).low > 0
        accepted["as they are"] += interval(room, plain, 0.95, str(seed)).low > 0
    return {name: count / seeds for name, count in accepted.items()}


def main() -> None:
    """Measure, print the tables, write the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=2000)
    seeds = parser.parse_args().seeds
    results: dict[str, list[dict[str, Any]]] = {"rmse": [], "recall": []}
    for rows in (100, 500, 2000):
        for tail in TAILS:
            found = {"rows": rows, "tail": tail, **numbers(rows, tail, seeds)}
            results["rmse"].append(found)
            print("rmse  ", found, flush=True)
    for rows in (60, 200, 500, 2000):
        for recall in (0.8, 0.95):
            found = {"rows": rows, "recall": recall, **labels(rows, recall, seeds)}
            results["recall"].append(found)
            print("recall", found, flush=True)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "intervals.json"
    path.write_text(json.dumps({"seeds": seeds, **results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
