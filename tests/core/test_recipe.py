"""Recipes resolve what dvc.yaml says of a model, and say where they do not follow it."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.recipe import Recipe, UnresolvedError, expected, ordered, recipe, run_key

PARAMS: dict[str, Any] = {
    "models": {"m": {"data": "x.csv", "digest": "d"}},
    "lr": 0.1,
    "deep": {"on": True},
}


def stage(**body: Any) -> Recipe:
    given = {"cmd": "run ${key}", "deps": ["${item.data}"], "outs": ["out/${key}"], **body}
    return recipe("s", {"stages": {"s": {"foreach": "${models}", "do": given}}}, PARAMS, "m")


def test_what_a_stage_names_is_put_in() -> None:
    found = stage(
        params=["models.${key}.digest", {"specs/${key}.yaml": ["spec.data"]}, "lr"],
        metrics=["z.json"],
        plots=[{"a.csv": {"x": "p"}}],
    )
    assert (found.cmd, found.deps) == ("run m", ("x.csv",))
    assert found.params == {
        "params.yaml": ("lr", "models.m.digest"),
        "specs/m.yaml": ("spec.data",),
    }
    assert found.outs == ("a.csv", "out/m", "z.json")


def test_a_stage_without_foreach_takes_its_values_from_params() -> None:
    pipeline = {"stages": {"s": {"cmd": "r ${lr} ${deep.on}", "deps": ["a"], "outs": ["b"]}}}
    assert recipe("s", pipeline, PARAMS, "m").cmd == "r 0.1 true"


@pytest.mark.parametrize(
    "body",
    [
        {"cmd": "run ${nothing}"},
        {"cmd": "run ${models}"},
        {"cmd": r"run \${key}"},
        {"cmd": "run ${ke y}"},
        {"deps": []},
        {"deps": [{"x": 1}]},
        {"outs": [{"out": {"persist": True}}]},
        {"wdir": "elsewhere"},
        {"always_changed": True},
        {"vars": [{"a": 1}]},
    ],
    ids=str,
)
def test_what_is_not_followed_is_refused_and_not_guessed(body: dict[str, Any]) -> None:
    with pytest.raises(UnresolvedError):
        stage(**body)


def test_stages_stand_behind_those_that_they_take_from() -> None:
    def made(name: str, dep: str, out: str) -> Recipe:
        return Recipe(name, name, (dep,), {}, (out,))

    found = ordered([made("c", "b/part", "c"), made("a", "x", "a"), made("b", "a", "b")])
    assert [s.name for s in found] == ["a", "b", "c"]
    with pytest.raises(UnresolvedError, match="circle"):
        ordered([made("a", "b", "a"), made("b", "a", "b")])


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
