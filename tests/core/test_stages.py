"""dvc.yaml is followed where it is plain; what is not plain is left to DVC."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.stages import Stage, UnclearError, others, per_model, resolve

PARAMS: dict[str, Any] = {"models": {"m": {"data": "d.csv", "n": 3, "on": True}}, "top": {"x": "y"}}


def pipeline(**body: object) -> dict[str, Any]:
    do = {"cmd": "run ${key}", "deps": ["${item.data}"], "outs": ["out/${key}"], **body}
    return {"stages": {"s": {"foreach": "${models}", "do": do}, "o": {"cmd": "x"}}}


def resolved(**body: object) -> Stage:
    return resolve(pipeline(**body), PARAMS, "m")[0]


def test_a_stage_is_filled_in_for_its_model() -> None:
    assert resolved(
        cmd="run ${key} ${item.n} ${ top.x }",
        params=["models.${key}.n", {"specs/${key}.yaml": ["a", "b"]}, {"whole.yaml": None}],
        metrics=[{"m/${key}.json": {"cache": False}}],
        plots=[{"./p.csv": {"x": "a"}}],
    ) == Stage(
        name="s@m",
        cmd="run m 3 y",
        deps=("d.csv",),
        params={"params.yaml": ("models.m.n",), "specs/m.yaml": ("a", "b"), "whole.yaml": ()},
        outs=("out/m", "m/m.json", "p.csv"),
        uncached=frozenset({"m/m.json"}),
    )


def test_stages_that_are_not_per_model_are_told_apart() -> None:
    assert per_model(pipeline()) == ("s",)
    assert others(pipeline()) == ("o",)
    assert per_model({}) == ()


def test_several_commands_stay_several() -> None:
    assert resolved(cmd=["a ${key}", "b"]).cmd == ["a m", "b"]


@pytest.mark.parametrize(
    "body", [{"always_changed": True}, {"deps": None, "outs": None}], ids=["said", "nothing"]
)
def test_a_stage_that_always_runs_is_known(body: dict[str, Any]) -> None:
    assert resolved(**body).always_changed


@pytest.mark.parametrize(
    "body",
    [
        {"wdir": "x"},
        {"frozen": True},
        {"cmd": "x ${item.on}"},
        {"cmd": "x ${item}"},
        {"cmd": "x ${nothing}"},
        {"cmd": "x \\${key}"},
        {"deps": ["/etc/passwd"]},
        {"deps": ["../x"]},
        {"deps": ["s3://bucket/x"]},
        {"outs": [{"x": {"persist": True}}]},
        {"outs": [{"x": {"remote": "r"}}]},
        {"params": ["a", {"params.yaml": None}]},
    ],
    ids=str,
)
def test_what_only_dvc_can_follow_is_left_to_it(body: dict[str, Any]) -> None:
    with pytest.raises(UnclearError):
        resolved(**body)


def test_variables_of_the_file_are_left_to_dvc() -> None:
    with pytest.raises(UnclearError):
        resolve({**pipeline(), "vars": ["x.yaml"]}, PARAMS, "m")
