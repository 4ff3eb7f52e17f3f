"""The graph of a dvc.yaml of the user's own, taken apart without DVC."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.core.graph import closure, stages, tracked
from reconciler.errors import SpecError

PARAMS = {"train": {"depth": 3, "seeds": [1, 2]}, "models": {"big": {"depth": 9}, "small": {}}}


def read(path: str) -> Any:
    files = {
        "params.yaml": PARAMS,
        "more.yaml": {"out": "models", "train": {"depth": 4}},
        "src/params.yaml": {"lr": 0.1},
    }
    return files.get(path)


def test_templates_groups_and_folders_are_filled_in_as_dvc_does() -> None:
    found = stages(
        {
            "vars": ["more.yaml", {"extra": True}],
            "stages": {
                "one": {
                    "cmd": "fit ${train.depth} ${train.seeds[1]} ${extra} \\${HOME}",
                    "outs": ["${out}/a", {"b.json": {"cache": False}}],
                },
                "each": {
                    "foreach": "${models}",
                    "do": {"cmd": "fit ${key}", "deps": ["${key}.csv"], "outs": ["${key}.pkl"]},
                },
                "listed": {"foreach": [1, "x"], "do": {"cmd": "do ${item}"}},
                "cross": {
                    "matrix": {"size": ["s", "l"], "opts": [{"a": 1}, {"a": 2}]},
                    "cmd": "do ${item.size} ${item.opts.a} ${key}",
                },
                "below": {
                    "wdir": "src",
                    "cmd": "python x.py",
                    "deps": ["x.py", "../data"],
                    "params": ["lr", {"../more.yaml": ["out"]}, {"conf.py": ["A"]}],
                },
            },
        },
        read,
    )
    assert found["one"].body["cmd"] == "fit 4 2 true ${HOME}"
    assert found["one"].outs == ("models/a", "b.json")
    assert {n for n in found if n.startswith("each@")} == {"each@big", "each@small"}
    assert found["each@big"].deps == ("big.csv",)
    assert found["listed@1"].body["cmd"] == "do 1"
    assert found["cross@s-opts1"].body["cmd"] == "do s 2 s-opts1"
    assert found["below"].deps == ("src/x.py", "data")
    assert found["below"].files == ("src/x.py", "data", "src/conf.py")
    assert tracked(found["below"], read) == {"src/params.yaml:lr": 0.1, "more.yaml:out": "models"}


PIPELINE = {
    "stages": {
        "prepare": {"cmd": "p", "deps": ["raw"], "outs": ["data/prepared"]},
        "features": {"cmd": "f", "deps": ["data/prepared/x.csv"], "outs": ["features"]},
        "train": {"cmd": "t", "deps": ["features"], "outs": ["model.pkl"]},
        "evaluate": {"cmd": "e", "deps": ["model.pkl"], "metrics": ["metrics.json"]},
        "other": {"cmd": "o", "deps": ["raw"], "outs": ["other"]},
    }
}


def names(wanted: list[str], paths: list[str] | None = None) -> list[str]:
    return [stage.name for stage in closure(stages(PIPELINE), wanted, paths or [])]


def test_all_before_a_stage_belong_to_it_and_nothing_else() -> None:
    assert names(["train"]) == ["prepare", "features", "train"]
    assert names(["features", "train"]) == ["prepare", "features", "train"]
    assert names(["features"], ["metrics.json"]) == ["prepare", "features", "train", "evaluate"]
    assert names(["train"], ["features/test.csv"]) == ["prepare", "features", "train"]


def test_a_frozen_stage_needs_none_before_it() -> None:
    frozen = {**PIPELINE["stages"], "features": {**PIPELINE["stages"]["features"], "frozen": True}}
    found = closure(stages({"stages": frozen}), ["train"], [])
    assert [stage.name for stage in found] == ["features", "train"]


@pytest.mark.parametrize(
    ("pipeline", "wanted", "words"),
    [
        ({}, "train", "there are no stages"),
        ({"stages": {"a": 3}}, "a", "stage a is no mapping"),
        ({"stages": {"a": {"cmd": "${no.such}"}}}, "a", "no value for ${no.such}"),
        ({"stages": {"a": {"foreach": 3, "do": {}}}}, "a", "needs a list or mapping"),
        ({"stages": {"a": {"matrix": {"x": 3}, "cmd": ""}}}, "a", "matrix needs lists"),
        (PIPELINE, "trian", "did you mean train?"),
        ({"stages": {"a": {"foreach": [1], "do": {"cmd": ""}}}}, "a", "it is a group: name a@1"),
        (
            {"stages": {"a": {"deps": ["y"], "outs": ["x"]}, "b": {"deps": ["x"], "outs": ["y"]}}},
            "a",
            "a → b → a wait for each other",
        ),
    ],
)
def test_what_dvc_would_refuse_is_refused(pipeline: Any, wanted: str, words: str) -> None:
    with pytest.raises(SpecError) as found:
        closure(stages(pipeline, read), [wanted], [])
    assert words in str(found.value)


@pytest.mark.slow
def test_dvc_itself_fills_templates_in_the_same_way(tmp_path: Path) -> None:
    from dvc.parsing import DataResolver
    from dvc.repo import Repo

    text = {
        "vars": [{"top": {"a": [1, {"b": "x y"}], "on": False}}],
        "stages": {
            "one": {"cmd": "run ${top.a[1].b} ${top.on}", "deps": ["${top.a[0]}.csv"]},
            "each": {"foreach": {"m": {"k": 1}}, "do": {"cmd": "run ${key} ${item.k}"}},
            "many": {"matrix": {"i": [1, 2], "j": [{"z": 1}]}, "cmd": "run ${item.i} ${key}"},
        },
    }
    repo = Repo.init(str(tmp_path), no_scm=True)
    theirs = DataResolver(repo, str(tmp_path), text).resolve()["stages"]
    ours = stages(text)
    assert {name: body["cmd"] for name, body in theirs.items()} == {
        name: stage.body["cmd"] for name, stage in ours.items()
    }
