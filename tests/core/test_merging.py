"""A merge per stage and per model: nothing is lost, and what comes out can be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from reconciler.core import lockfile
from reconciler.core.lockfile import ForeignError
from reconciler.core.merging import merge_lock, merge_params

names = st.sampled_from([f"{stage}@{model}" for stage in ("prepare", "train") for model in "abcd"])
locks = st.dictionaries(names, st.integers(0, 3)).map(
    lambda found: dict(sorted(found.items(), key=lambda item: item[1] + len(item[0])))
)


def block(name: str, number: int) -> str:
    return f"""\
  {name}:
    cmd: run {number}\x20
      on
    params:
      p.yaml:
        text: |-
          one

          {number}
    outs:
    - path: models/{name}
      md5: {number}a
"""


def text(blocks: dict[str, int]) -> str:
    if not blocks:
        return "schema: '2.0'\nstages: {}\n"
    return "schema: '2.0'\nstages:\n" + "".join(block(*item) for item in blocks.items())


def line(name: str, digest: str) -> str:
    return f'  {name}: {{data: d/{name}.csv, code: specs/runtime.txt, digest: "{digest}"}}\n'


def params(models: dict[str, str], rest: str = "defaults: {}\n") -> str:
    body = "".join(line(*item) for item in sorted(models.items()))
    models_map = f"models:\n{body}" if models else "models: {}\n"
    return f"apiVersion: reconciler/v1\n{rest}\n{models_map}"


@given(locks)
def test_a_lock_is_put_together_again_as_it_was(blocks: dict[str, int]) -> None:
    parsed = lockfile.parse(text(blocks))
    assert parsed.text == text(blocks)
    assert list(parsed.blocks) == list(blocks)


@given(locks, locks, locks)
def test_every_stage_that_one_side_left_alone_is_as_the_other_has_it(
    base: dict[str, int], ours: dict[str, int], theirs: dict[str, int]
) -> None:
    merged = merge_lock(text(base), text(ours), text(theirs))
    assert len(set(merged.versions)) == 1
    found = lockfile.parse(merged.versions[1]).blocks
    stages = YAML(typ="safe").load(merged.versions[1])["stages"]
    assert list(stages) == list(found)
    for name in {*base, *ours, *theirs}:
        sides = [side.get(name) for side in (base, ours, theirs)]
        before, mine, other = sides
        value = None if name not in found else int(stages[name]["outs"][0]["md5"][:-1])
        if mine == before:
            assert value == other
        elif other in (before, mine):
            assert value == mine
        else:
            assert value in (mine, other)
            assert value is not None
            assert name in merged.notes[0]


@given(locks, locks, locks)
def test_both_orders_merge_to_the_same_stages(
    base: dict[str, int], ours: dict[str, int], theirs: dict[str, int]
) -> None:
    one = merge_lock(text(base), text(ours), text(theirs))
    two = merge_lock(text(base), text(theirs), text(ours))
    assert set(lockfile.parse(one.versions[1]).blocks) == set(
        lockfile.parse(two.versions[1]).blocks
    )
    if not one.notes:
        assert lockfile.parse(one.versions[1]).blocks == lockfile.parse(two.versions[1]).blocks


@pytest.mark.parametrize(
    "foreign",
    [
        "stages:\n  a:\n    cmd: x\n  a:\n    cmd: y\n",
        "<<<<<<< ours\nstages:\n  a:\n    cmd: x\n=======\n>>>>>>> theirs\n",
        "stages:\n  a:\n    cmd: &x y\n  b:\n    cmd: *x\n",
        "stages: {a: {cmd: x}}\n",
        "stages:\r\n  a:\r\n    cmd: x\r\n",
        "stages:\n  a:\n    cmd: x",
        "stages:\n   a:\n     cmd: x\n",
        "stages:\n  a: {cmd: x}\n",
        "a:\n  cmd: x\n",
        "stages:\n  a:\n    cmd: x\n---\nstages:\n  b:\n    cmd: x\n",
    ],
)
def test_a_lock_in_another_shape_is_left_to_a_merge_by_line(foreign: str) -> None:
    with pytest.raises(ForeignError):
        lockfile.parse(foreign)


def test_other_keys_of_a_lock_stay_where_they_are() -> None:
    other = "schema: '2.0'\nstages:\n" + block("a", 1) + "datasets:\n- name: x\n  url: y\n"
    parsed = lockfile.parse(other)
    assert parsed.updated({"b": block("b", 2)}).text == other.replace(
        "datasets", block("b", 2) + "datasets"
    )


def test_two_new_models_merge_into_a_sorted_map() -> None:
    base = params({"m": "1"})
    merged = merge_params(base, params({"m": "1", "z": "2"}), params({"a": "3", "m": "4"}))
    assert merged.versions[1] == merged.versions[2] == params({"a": "3", "m": "4", "z": "2"})
    assert merged.notes == ()


def test_a_line_that_both_sides_changed_is_ours_and_compile_is_asked_for() -> None:
    merged = merge_params(params({"m": "1"}), params({"m": "2"}), params({"m": "3"}))
    assert merged.versions[1] == params({"m": "2"})
    assert "models m: changed on both sides" in merged.notes[0]
    assert "reconciler compile" in merged.notes[1]


def test_a_model_that_one_side_retired_is_gone() -> None:
    merged = merge_params(params({"a": "1", "m": "1"}), params({"m": "1"}), params({"a": "2"}))
    assert "  a:" not in merged.versions[1]
    assert "  m:" not in merged.versions[1]


def test_only_the_map_is_merged_here_and_the_rest_keeps_its_three_versions() -> None:
    base = params({"m": "1"})
    ours = params({"m": "1", "n": "1"}, "defaults: {}\nallow: [sklearn.]\n")
    theirs = params({"a": "1", "m": "1"}, "defaults: {training: {}}\n")
    merged = merge_params(base, ours, theirs)
    assert "allow" in merged.versions[1]
    assert "allow" not in merged.versions[2]
    assert "compile" in merged.notes[0]


def test_parameters_without_a_map_are_left_to_a_merge_by_line() -> None:
    texts = ("lr: 1\n", "lr: 2\n", "lr: 1\nseed: 3\n")
    assert merge_params(*texts).versions == texts


def test_a_map_that_a_person_wrote_is_left_to_a_merge_by_line() -> None:
    with pytest.raises(ForeignError):
        merge_params(params({"m": "1"}), "models:\n  m:\n    data: x\n", params({"m": "2"}))
    with pytest.raises(ForeignError):
        merge_params(params({"m": "1"}), "models:\n  # mine\n" + line("m", "1"), params({"m": "2"}))


@given(st.dictionaries(st.sampled_from(["a", "b-c", "1x", "d.e"]), st.sampled_from("123")))
def test_a_map_merges_with_itself_to_itself(models: dict[str, str]) -> None:
    found = params(models)
    assert merge_params("", found, found).versions[1] == found
