"""The gate's comparison against its promise: how often does a planted challenger get in?

    python bench/gate.py [--seeds 400] [--sizes]

Champion and challenger are really trained (another seed, or a tenth more rows), so that their
errors are correlated as those of retrained models are. Their answers on 40,000 fresh rows are the
population. The challenger's are then bent until it is exactly so much worse or better there, and
every seed draws its own test rows. At the margin's edge a challenger is worse than allowed in
truth: it may get in 5 times of 100. Prints tables, and writes bench/results/gate.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest
from sklearn.datasets import make_classification, make_friedman1
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge

from reconciler.core.gate import Case, Outcome, Rivalry, judge
from reconciler.core.metrics import Scored, compute
from reconciler.spec.metrics import METRICS
from reconciler.spec.model import Rule

RESULTS = Path(__file__).resolve().parent / "results"
ROWS, TRAINED, POPULATION = 2000, 3000, 40_000
MARGIN, CONFIDENCE = 0.01, 0.95
CHANGES = (-0.05, -0.02, -0.01, 0.0, 0.01, 0.02, 0.05)
SIZES = (60, 200, 600)

Make = Callable[[int], Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two really trained models on the same fresh rows."""

    name: str
    challenger: Scored
    champion: Scored

    @property
    def alike(self) -> float:
        """Correlation of the errors, or the share of equal labels."""
        if self.champion.classes is None:
            mine, theirs = (s.prediction - s.actual for s in (self.challenger, self.champion))
            return float(np.corrcoef(mine, theirs)[0, 1])
        return float(np.mean(self.challenger.prediction == self.champion.prediction))


def pairs() -> Iterator[Pair]:
    """Give the pairs: both tasks, close relatives and distant ones."""
    table = make_friedman1(2 * TRAINED + POPULATION, n_features=8, noise=2.0, random_state=1)
    longer = TRAINED + TRAINED // 10
    yield _pair("ridge, a tenth more rows", lambda _: Ridge(), table, longer)
    yield _pair("forest, other seed", _forest(RandomForestRegressor), table, TRAINED)
    yield _pair("forest, a tenth more rows", _forest(RandomForestRegressor), table, longer)
    yield _pair(
        "boosting, a tenth more rows", _boosting(HistGradientBoostingRegressor), table, longer
    )
    table = make_classification(
        2 * TRAINED + POPULATION,
        n_features=12,
        n_informative=6,
        n_redundant=2,
        flip_y=0.05,
        class_sep=1.1,
        weights=[0.7],
        random_state=1,
    )
    yield _pair("logistic, a tenth more rows", lambda _: LogisticRegression(), table, longer)
    yield _pair("forest, other seed", _forest(RandomForestClassifier), table, TRAINED)
    yield _pair(
        "boosting, a tenth more rows", _boosting(HistGradientBoostingClassifier), table, longer
    )


def _forest(kind: Any) -> Make:
    return lambda seed: kind(n_estimators=200, min_samples_leaf=2, n_jobs=2, random_state=seed)


def _boosting(kind: Any) -> Make:
    return lambda seed: kind(random_state=seed)


def _pair(name: str, make: Make, table: tuple[Any, Any], rows: int) -> Pair:
    """Return a challenger trained on `rows` rows beside a champion with another seed."""
    x, y = table
    fresh = slice(2 * TRAINED, None)
    scored = []
    for seed, used in ((1, slice(0, rows)), (0, slice(0, TRAINED))):
        model = make(seed).fit(x[used], y[used])
        if hasattr(model, "predict_proba"):
            chance = np.clip(model.predict_proba(x[fresh])[:, 1], 1e-3, 1 - 1e-3)
            scored.append(_classified(y[fresh], np.log(chance / (1 - chance))))
        else:
            scored.append(Scored(y[fresh], model.predict(x[fresh])))
    return Pair(name, *scored)


def _classified(actual: Any, logit: Any) -> Scored:
    chance = 1 / (1 + np.exp(-logit))
    both = np.stack([1 - chance, chance], axis=1)
    return Scored(actual, (chance > 0.5).astype(int), both, (0, 1), 1)


def planted(pair: Pair, metric: str, worse: float) -> Scored:
    """Return the challenger, bent until it is the share `worse` worse than the champion."""
    held = compute([metric], pair.champion)[metric]
    sign = 1.0 if METRICS[metric].better == "lower" else -1.0
    wanted = held + sign * worse * abs(held)
    bend = _bend(pair.challenger)
    low, high = -1.0, 4.0
    for _ in range(50):
        middle = (low + high) / 2
        better = sign * (compute([metric], bend(middle))[metric] - wanted) < 0
        low, high = (middle, high) if better else (low, middle)
    return bend(high)


def _bend(scored: Scored) -> Callable[[float], Scored]:
    """Return how the answers look after some harm (> 0) or help (< 0)."""
    noise = np.random.default_rng(7).normal(size=len(scored))
    if scored.probabilities is None:
        errors = scored.prediction - scored.actual
        return lambda t: Scored(scored.actual, scored.actual + errors * (1 + t))
    logit = np.log(scored.probabilities[:, 1] / scored.probabilities[:, 0])
    truth = 2.0 * scored.actual - 1
    return lambda t: _classified(scored.actual, logit + (t * noise if t > 0 else -t * truth))


def trials(
    challenger: Scored, champion: Scored, metric: str, rows: int, seeds: int
) -> Counter[str]:
    """Return how often each outcome came out over so many draws of test rows."""
    rule = Rule(metric=metric, compare="champion", margin=f"{MARGIN:.0%}", confidence=CONFIDENCE)
    found: Counter[str] = Counter()
    for seed in range(seeds):
        drawn = np.random.default_rng(seed).integers(0, len(champion), rows)
        rival = Rivalry(challenger.take(drawn), champion.take(drawn))
        verdict = judge([rule], Case(rival.challenger), rival, {}, f"seed {seed}")
        found[verdict.outcome.value] += 1
    return found


def edge(pair: Pair, metric: str, rows: int, seeds: int) -> dict[str, Any]:
    """Return what became of challengers at the margin's edge, and of equal ones."""
    passed = Outcome.PASSED.value
    worse = trials(planted(pair, metric, MARGIN), pair.champion, metric, rows, seeds)[passed]
    equal = trials(planted(pair, metric, 0.0), pair.champion, metric, rows, seeds)[passed]
    p = binomtest(worse, seeds, 1 - CONFIDENCE, alternative="greater").pvalue
    return {
        "pair": pair.name,
        "metric": metric,
        "rows": rows,
        "seeds": seeds,
        "alike": round(pair.alike, 4),
        "accepted_worse": worse / seeds,
        "p_value": round(float(p), 4),
        "accepted_equal": equal / seeds,
    }


def power(pair: Pair, metric: str, seeds: int) -> list[dict[str, Any]]:
    """Return the outcomes of challengers that are better and worse by several shares."""
    rows = []
    for worse in CHANGES:
        found = trials(planted(pair, metric, worse), pair.champion, metric, ROWS, seeds)
        shares = {outcome.value: found[outcome.value] / seeds for outcome in Outcome}
        rows.append({"pair": pair.name, "metric": metric, "worse_by": worse, **shares})
    return rows


def show(title: str, rows: list[dict[str, Any]]) -> None:
    """Print a table."""
    print(f"\n{title}")
    widths = {key: max(len(key), *(len(_cell(row[key])) for row in rows)) for key in rows[0]}
    print("  ".join(f"{key:{width}}" for key, width in widths.items()))
    for row in rows:
        print("  ".join(f"{_cell(row[key]):{width}}" for key, width in widths.items()), flush=True)


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Measure, print the tables, write the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=400)
    parser.add_argument("--sizes", action="store_true", help="every metric on 60 to 600 rows")
    asked = parser.parse_args()
    started, path = time.perf_counter(), RESULTS / "gate.json"
    results: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    known = list(pairs())
    numbers = [pair for pair in known if pair.champion.classes is None]
    labels = [pair for pair in known if pair.champion.classes is not None]
    if asked.sizes:
        names = {n: m for n, m in METRICS.items() if m.needs != "system" and n != "max_error"}
        results["sizes"] = [
            edge(numbers[1] if m.needs == "numbers" else labels[1], name, rows, asked.seeds)
            for name, m in names.items()
            if not name.endswith(("_micro", "_weighted"))
            for rows in SIZES
        ]
        show("every metric, by rows", results["sizes"])
    else:
        usual = [(pair, "rmse") for pair in numbers] + [(pair, "accuracy") for pair in labels]
        results["edge"] = [edge(pair, metric, ROWS, asked.seeds) for pair, metric in usual]
        show(f"at the margin's edge ({MARGIN:.0%}), and equal", results["edge"])
        followed = power(numbers[1], "rmse", asked.seeds), power(labels[0], "accuracy", asked.seeds)
        results["power"] = [row for rows in followed for row in rows]
        show("power", results["power"])
    print(f"\n{time.perf_counter() - started:.0f} s")
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
