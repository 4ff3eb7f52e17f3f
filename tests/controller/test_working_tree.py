"""Compiling a working tree: params.yaml and the image of the runtime in step with specs/."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from reconciler.adapters import catalogue
from reconciler.cli import compile as verb
from reconciler.controller.working_tree import WorkingTree, checked, compiled
from reconciler.errors import SpecError, TransientError

HERE = {"numpy": "2.4", "scikit-learn": "1.9"}
CATALOGUE = catalogue.load(Path(__file__).parent)
NAMES = ["a-b", "123", "null", "true", "no", "1e3", "0x1f", "1-1", "2026-01-01", "x" * 63]

Specify = Callable[..., str]


def compile_(root: Path, *, upgrade: bool = False) -> str:
    """Write what is generated and return params.yaml."""
    result = compiled(WorkingTree(root), CATALOGUE, HERE, upgrade=upgrade)
    verb._write(root, result.files)
    return (root / "params.yaml").read_text()


def write(root: Path, specify: Specify, *names: str) -> None:
    (root / "specs").mkdir(exist_ok=True)
    for name in names:
        text = specify(name).replace(f"name: {name}", f'name: "{name}"')
        (root / "specs" / f"{name}.yaml").write_text(text)


@pytest.mark.parametrize("text", [None, "", "# nothing yet\n", "apiVersion: reconciler/v1\n"])
def test_a_folder_with_nothing_in_it_compiles(tmp_path: Path, text: str | None) -> None:
    if text:
        (tmp_path / "params.yaml").write_text(text)
    assert "models: {}" in compile_(tmp_path)
    assert (tmp_path / "specs" / "runtime.txt").is_file()


def test_every_name_that_is_valid_reads_back_as_itself(tmp_path: Path, specify: Specify) -> None:
    write(tmp_path, specify, *NAMES)
    first = compile_(tmp_path)
    assert sorted(YAML(typ="safe", pure=True).load(first)["models"]) == sorted(NAMES)
    assert compile_(tmp_path) == first


def test_comments_and_line_ends_outside_of_the_map_stay(tmp_path: Path, specify: Specify) -> None:
    write(tmp_path, specify, "m")
    before = (
        "apiVersion: reconciler/v1   # the schema\r\n# defaults of the team\r\n"
        'defaults: {}\r\nruntime:\r\n  numpy: "2.4"  # since March\r\nmodels: {}\r\n'
    )
    (tmp_path / "params.yaml").write_bytes(before.encode())
    compile_(tmp_path)
    after = (tmp_path / "params.yaml").read_bytes().decode()
    assert after.startswith(before.removesuffix("models: {}\r\n"))
    assert compile_(tmp_path).count("models:") == 1


def test_a_comment_at_the_start_of_a_line_does_not_cut_the_map(
    tmp_path: Path, specify: Specify
) -> None:
    write(tmp_path, specify, "m")
    old = "models:\n# by hand\n  gone: {data: d, code: c, digest: e}\n\n# next\nother: 1\n"
    (tmp_path / "params.yaml").write_text(old)
    after = compile_(tmp_path)
    assert list(YAML(typ="safe", pure=True).load(after)["models"]) == ["m"]
    assert "\n# next\nother: 1\n" in after


def test_a_map_that_cannot_be_replaced_is_refused_and_left(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("models: {\n}\n")
    with pytest.raises(SpecError, match="block style"):
        compile_(tmp_path)
    assert (tmp_path / "params.yaml").read_text() == "models: {\n}\n"


def test_a_spec_that_is_wrong_keeps_its_line(tmp_path: Path, specify: Specify) -> None:
    write(tmp_path, specify, "good", "bad")
    before = YAML(typ="safe", pure=True).load(compile_(tmp_path))["models"]
    (tmp_path / "specs" / "bad.yaml").write_text("kind: Mistake\n")
    after = YAML(typ="safe", pure=True).load(compile_(tmp_path))["models"]
    assert after == before


def test_the_runtime_is_declared_once_and_moves_only_when_asked(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text('runtime:\n  numpy: "1.0"\n')
    assert 'numpy: "1.0"' in compile_(tmp_path)
    assert 'numpy: "2.4"' in compile_(tmp_path, upgrade=True)
    assert "numpy==2.4" in (tmp_path / "specs" / "runtime.txt").read_text()


def test_a_file_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "specs").write_text("a file of the user's")
    with pytest.raises((TransientError, SpecError), match="specs"):
        compile_(tmp_path)


@pytest.mark.parametrize("name", ["dvc", "versions"])
def test_names_that_mean_something_to_dvc_or_the_branch_are_refused(
    tmp_path: Path, specify: Specify, name: str
) -> None:
    write(tmp_path, specify, name)
    _, problems = checked(WorkingTree(tmp_path), CATALOGUE, ())
    assert [p.key for p in problems] == ["metadata.name"]
