"""Recipes hold what decides a stage's result, and say where they do not follow it."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core import graph
from reconciler.core.recipe import Recipe, UnresolvedError, expected, recipe, run_key

PARAMS: dict[str, Any] = {
    "models": {"m": {"data": "x.csv", "digest": "d"}},
    "lr": 0.1,
    "deep": {"on": True},
}


def stage(**body: Any) -> Recipe:
    given = {"cmd": "run ${key}", "deps": ["${item.data}"], "outs": ["out/${key}"], **body}
    pipeline = {"stages": {"s": {"foreach": "${models}", "do": given}}}
    return recipe(graph.stages(pipeline, lambda path: PARAMS)["s@m"])


def test_what_a_stage_names_is_put_in() -> None:
    found = stage(
        params=["models.${key}.digest", {"specs/${key}.yaml": ["spec.data"]}, "lr"],
        metrics=["z.json"],
        plots=[{"a.csv": {"x": "p"}}],
    )
    assert (found.name, found.cmd, found.deps) == ("s@m", "run m", ("x.csv",))
    assert found.params == {
        "params.yaml": ("lr", "models.m.digest"),
        "specs/m.yaml": ("spec.data",),
    }
    assert found.outs == ("a.csv", "out/m", "z.json")


@pytest.mark.parametrize(
    "body",
    [
        {"deps": []},
        {"outs": []},
        {"outs": [{"out": {"persist": True}}]},
        {"wdir": "elsewhere"},
        {"always_changed": True},
        {"frozen": True},
    ],
    ids=str,
)
def test_a_stage_of_which_dvc_keeps_no_result_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(UnresolvedError):
        stage(**body)


def test_the_key_rests_on_content_and_not_on_size() -> None:
    def block(**more: object) -> dict[str, Any]:
        dep = {"path": "x.csv", "hash": "md5", "md5": "1" * 32, **more}
        return {"cmd": "run m", "deps": [dep], "outs": [{"path": "out/m", "md5": "2" * 32}]}

    told = expected(stage(), {"x.csv": {"md5": "1" * 32}}, lambda _: {})
    assert run_key(told) == run_key(block(size=7)) == run_key(block(size=8, nfiles=2))
    assert run_key(told) != run_key(block(md5="3" * 32))


def test_a_parameter_that_is_not_there_is_told() -> None:
    with pytest.raises(UnresolvedError, match=r"params.yaml has no models.m.epochs"):
        expected(
            stage(params=["models.${key}.epochs"]), {"x.csv": {"md5": "1" * 32}}, lambda _: PARAMS
        )
