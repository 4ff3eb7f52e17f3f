"""A bundle that was opened answers rows and tables alike."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from reconciler.bundle import predictor as module
from reconciler.bundle.predictor import open_bundle
from reconciler.errors import UsageError


def test_one_row_and_many_are_answered_alike(bundle: Path) -> None:
    predictor = open_bundle(bundle)
    table = pl.DataFrame({"a": [1.0, 2.0], "b": [0.5, 0.25], "more": ["x", "y"]})
    assert predictor.predict(table).values.tolist() == [2.5, 4.25]
    assert predictor.predict_one({"a": 2, "b": np.float32(0.25)}).values.tolist() == [4.25]


def test_a_missing_value_takes_the_careful_path(bundle: Path) -> None:
    predictor = open_bundle(bundle)
    assert np.isnan(predictor.predict_one({"a": 1.0}).values)
    assert np.isnan(predictor.predict_one({"a": 1.0, "b": None}).values)
    with pytest.raises(UsageError, match="a: the field is missing"):
        predictor.predict_one({"b": 1.0})
    with pytest.raises(UsageError, match="a: 'x' is not a number"):
        predictor.predict_one({"a": "x", "b": 1.0})


def test_no_rows_give_no_answers(bundle: Path) -> None:
    assert open_bundle(bundle).predict({"a": [], "b": []}).values.shape == (0,)


def test_many_rows_are_answered_in_batches(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS", 7)
    a = np.arange(50.0)
    answers = open_bundle(bundle).predict({"a": a, "b": a})
    assert answers.values.tolist() == (3 * a).tolist()


def test_many_rows_are_divided_among_threads_and_stay_in_order(bundle: Path) -> None:
    predictor, seen = open_bundle(bundle), set()
    barrier = threading.Barrier(2, timeout=10)
    run = predictor._model.run

    def together(tensors: module.Tensors) -> Sequence[module.Array]:
        seen.add((len(tensors["numbers"]), threading.current_thread().name[:4]))
        barrier.wait()  # goes on only where both are at work at once
        return run(tensors)

    predictor._model.run = together  # type: ignore[method-assign]
    a = np.arange(1000.0)
    with ThreadPoolExecutor(2, "rows") as pool:
        predictor.spread(module.Threads(pool, 2))
        assert predictor.predict({"a": a, "b": a}).values.tolist() == (3 * a).tolist()
    assert seen == {(500, "rows")}


def test_a_few_rows_are_worth_no_other_thread(bundle: Path) -> None:
    predictor = open_bundle(bundle)
    a = np.arange(250.0)
    with ThreadPoolExecutor(2) as pool:
        predictor.spread(module.Threads(pool, 2))
        pool.shutdown()
        assert predictor.predict({"a": a, "b": a}).values.tolist() == (3 * a).tolist()


def test_a_predictor_may_be_shared_by_threads(bundle: Path) -> None:
    predictor = open_bundle(bundle)
    wrong: list[float] = []

    def ask(start: int) -> None:
        for value in range(start, start + 200):
            answer = predictor.predict_one({"a": float(value), "b": 0.0}).values[0]
            if answer != 2 * value:
                wrong.append(answer)

    threads = [threading.Thread(target=ask, args=(1000 * i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
