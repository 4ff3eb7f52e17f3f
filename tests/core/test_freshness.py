"""A model is fresh exactly when every part of its blocks is what its stages would write."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from reconciler.core.freshness import Locked, Stale, compare
from reconciler.core.stages import Stage

STAGES = (
    Stage("p@m", "prepare", ("d.csv",), {"s.yaml": ("a.b",)}, ("out/p",)),
    Stage("t@m", "train", ("out/p", "code.py"), {"w.yaml": ()}, ("out/t",)),
)
FILES: dict[str, Any] = {"s.yaml": {"a": {"b": [1, {"c": None}]}, "other": 1}, "w.yaml": {"k": 1}}


def content(path: str, md5: str) -> dict[str, object]:
    return {"path": path, "hash": "md5", "md5": md5, "size": 1}


BLOCKS: dict[str, Any] = {
    "p@m": {
        "cmd": "prepare",
        "deps": [content("d.csv", "1")],
        "params": {"s.yaml": {"a.b": [1, {"c": None}]}},
        "outs": [content("out/p", "2.dir")],
    },
    "t@m": {
        "cmd": "train",
        "deps": [content("code.py", "3"), content("out/p", "2.dir")],
        "params": {"w.yaml": {"k": 1}},
        "outs": [content("out/t", "4")],
    },
}


def test_what_must_be_there_is_told_when_nothing_has_changed() -> None:
    found = compare(STAGES, BLOCKS, FILES.get)
    assert found == Locked({"d.csv": "1", "code.py": "3"}, {"out/p": "2.dir", "out/t": "4"})
    assert compare(STAGES[::-1], BLOCKS, FILES.get) == found


@pytest.mark.parametrize(
    ("stage", "keys", "value", "why"),
    [
        ("p@m", ("cmd",), "other", "p@m: another command"),
        ("p@m", ("deps", 0, "path"), "e.csv", "p@m: other inputs"),
        ("p@m", ("deps", 0, "hash"), None, "p@m: other inputs"),
        ("p@m", ("params", "s.yaml", "a.b"), [2], "p@m: a.b changed"),
        ("p@m", ("params", "s.yaml", "a.c"), 1, "p@m: other parameters of s.yaml"),
        ("t@m", ("params", "w.yaml", "l"), 1, "t@m: other parameters of w.yaml"),
        ("t@m", ("params",), {}, "t@m: other parameters"),
        ("t@m", ("deps", 1, "md5"), "9.dir", "t@m: out/p changed"),
        ("t@m", ("outs",), [], "t@m: other outputs"),
        ("t@m", ("outs", 0, "path"), "out/x", "t@m: other outputs"),
    ],
)
def test_whatever_differs_is_named(
    stage: str, keys: tuple[str | int, ...], value: object, why: str
) -> None:
    blocks = copy.deepcopy(BLOCKS)
    at = blocks[stage]
    for key in keys[:-1]:
        at = at[key]
    at[keys[-1]] = value
    assert compare(STAGES, blocks, FILES.get) == Stale(why)


def test_a_stage_that_never_ran_and_a_file_that_is_gone_are_named() -> None:
    assert compare(STAGES, {"p@m": BLOCKS["p@m"]}, FILES.get) == Stale("t@m is not in dvc.lock")
    assert compare(STAGES, BLOCKS, lambda _: None) == Stale("p@m: s.yaml changed")
    assert compare(STAGES, {"p@m": None}, FILES.get) == Stale("p@m is not in dvc.lock")


def test_a_stage_that_always_runs_is_never_fresh() -> None:
    always = Stage("p@m", "prepare", ("d.csv",), {}, ("out/p",), always_changed=True)
    assert compare([always], BLOCKS, FILES.get) == Stale("p@m always runs")
