"""What is staged is what is judged: not the files on disk, and not what nothing has changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.cli import compile as compiling
from reconciler.cli import hook as hooking
from reconciler.core.hook_script import Hook
from tests.conftest import Project
from tests.quick import copy, declare, make, retune

ONE, TWO = "specs/a.yaml", "specs/b.yaml"
Judge = Callable[[], tuple[int, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a repository with the models `a` and `b`, compiled and committed."""
    base = tmp_path_factory.mktemp("staged")
    (base / "home").mkdir()
    return make(base / "made", base / "home")


@pytest.fixture
def two(made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a copy of it, in which this process stands as a user would."""
    project = copy(made, tmp_path / "a repo")
    monkeypatch.chdir(project.root)
    for name in ("HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_NOSYSTEM"):
        monkeypatch.setenv(name, project.env[name])
    return project


@pytest.fixture
def judge(capsys: pytest.CaptureFixture[str]) -> Judge:
    """Return what asks the hook about a commit of what is staged."""

    def ask() -> tuple[int, str]:
        capsys.readouterr()
        code = hooking.run(Hook.PRE_COMMIT)
        out, err = capsys.readouterr()
        assert out == ""
        return code, err

    return ask


def compiled() -> None:
    compiling.run(check=False, upgrade=False, staged=False)


def spoil(project: Project, path: str) -> None:
    project.edit(path, "linear_model.Ridge", "linear_model.Rigde")


def test_nothing_is_said_where_nothing_is_staged_that_concerns_a_model(
    two: Project, judge: Judge
) -> None:
    spoil(two, ONE)
    two.write("README.md", "about specs\n")
    two.git("add", "README.md")
    assert judge() == (0, "")


def test_a_spec_is_judged_as_it_is_staged(two: Project, judge: Judge) -> None:
    spoil(two, ONE)
    two.git("add", ONE)
    two.edit(ONE, "linear_model.Rigde", "linear_model.Ridge")
    code, said = judge()
    assert code == 1
    assert f"{ONE}:6:27: spec.training.estimator" in said
    assert f"not staged as on disk: git add {ONE}" in said
    assert "git commit --no-verify" in said
    two.git("add", ONE)
    assert judge() == (0, "")


def test_what_is_wrong_elsewhere_does_not_stop_this_commit(two: Project, judge: Judge) -> None:
    spoil(two, TWO)
    two.commit("Not checked")
    retune(two, "a", 2.0)
    two.git("add", ONE)
    assert judge() == (0, "")


def test_a_spec_whose_line_is_not_staged_is_out_of_step(two: Project, judge: Judge) -> None:
    declare(two, "c")
    two.git("add", "specs/c.yaml")
    compiled()
    code, said = judge()
    assert code == 1
    assert said.startswith("params.yaml: as staged")
    assert "reconciler compile && git add params.yaml" in said
    two.git("add", "params.yaml")
    assert judge() == (0, "")


def test_a_line_whose_spec_is_staged_as_gone_is_out_of_step(two: Project, judge: Judge) -> None:
    two.git("rm", "-q", "--cached", TWO)
    assert judge()[0] == 1
    two.git("rm", "-q", "-f", "--ignore-unmatch", TWO)
    (two.root / TWO).unlink()
    compiled()
    two.git("add", "params.yaml")
    assert judge() == (0, "")


def test_a_line_that_was_edited_by_hand_is_out_of_step(two: Project, judge: Judge) -> None:
    two.edit("params.yaml", "a: {data: data/rows.csv", "a: {data: data/more.csv")
    two.git("add", "params.yaml")
    assert judge()[0] == 1


def test_settings_concern_every_model(two: Project, judge: Judge) -> None:
    two.edit("params.yaml", "defaults: {}", "defaults: {packaging: {format: native}}")
    two.git("add", "params.yaml")
    code, said = judge()
    assert code == 1, said
    compiled()
    two.git("add", "params.yaml")
    assert judge() == (0, "")


def test_data_that_a_spec_names_and_the_commit_lacks_is_a_problem(
    two: Project, judge: Judge
) -> None:
    two.git("rm", "-q", "--cached", "data/rows.csv")
    code, said = judge()
    assert code == 1
    assert "data/rows.csv" in said
    assert ONE in said
    assert TWO in said


def test_what_cannot_be_judged_now_is_not_refused(
    two: Project, judge: Judge, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spoil(two, ONE)
    two.git("add", ONE)
    monkeypatch.chdir(tmp_path)
    code, said = judge()
    assert code == 0
    assert "nothing was checked" in said


def test_settings_that_cannot_be_kept_in_step_are_refused(two: Project, judge: Judge) -> None:
    text = (two.root / "params.yaml").read_text()
    two.write("params.yaml", text.replace("\nmodels:", "\n'models':"))
    two.git("add", "params.yaml")
    code, said = judge()
    assert code == 1
    assert "git commit --no-verify" in said


def test_a_commit_of_many_files_is_judged_whole(two: Project, judge: Judge) -> None:
    two.git("rm", "-q", "--cached", "data/rows.csv")
    for number in range(600):
        two.write(f"notes/{number}", "")
    two.git("add", "notes")
    code, said = judge()
    assert code == 1
    assert "data/rows.csv" in said


def test_the_first_commit_without_a_spec_is_none_of_ours(two: Project, judge: Judge) -> None:
    two.git("checkout", "-q", "--orphan", "fresh")
    two.git("rm", "-q", "-r", "--cached", ".")
    two.git("add", "data")
    assert judge() == (0, "")


def test_a_map_that_is_not_as_compile_writes_it_is_judged_whole(two: Project, judge: Judge) -> None:
    two.edit("params.yaml", "  b: {", "  # mine\n  b: {")
    two.commit("By hand")
    retune(two, "a", 2.0)
    two.git("add", ONE)
    code, said = judge()
    assert code == 1
    assert "params.yaml" in said


def test_a_spec_that_is_only_meant_to_be_added_is_not_staged_yet(
    two: Project, judge: Judge
) -> None:
    declare(two, "c")
    two.git("add", "--intent-to-add", "specs/c.yaml")
    assert judge() == (0, "")


def test_a_link_in_place_of_a_spec_is_refused(two: Project, judge: Judge) -> None:
    (two.root / "specs/c.yaml").symlink_to("a.yaml")
    two.git("add", "specs/c.yaml")
    code, said = judge()
    assert code == 1
    assert "symbolic link" in said


def test_the_first_commit_is_judged_whole(two: Project, judge: Judge) -> None:
    two.git("checkout", "-q", "--orphan", "fresh")
    spoil(two, ONE)
    two.git("add", "-A")
    assert judge()[0] == 1


def test_nothing_of_the_repository_changes_by_being_judged(two: Project, judge: Judge) -> None:
    spoil(two, ONE)
    two.git("add", ONE)

    def state() -> dict[str, bytes]:
        found = (two.root / ".git").rglob("*")
        return {str(path): path.read_bytes() for path in found if path.is_file()}

    before = state()
    judge()
    two.reconciler("validate", "--staged", check=False)
    two.reconciler("compile", "--check", "--staged", check=False)
    assert state() == before


def test_validate_and_compile_can_look_at_what_is_staged(two: Project) -> None:
    spoil(two, ONE)
    declare(two, "c")
    assert two.reconciler("validate", "--staged").stdout == "2 specs, all valid\n"
    assert two.reconciler("compile", "--check", "--staged").returncode == 0
    two.git("add", "-A")
    assert "Rigde" in two.reconciler("validate", "--staged", check=False).stdout
    assert two.reconciler("compile", "--check", "--staged", check=False).returncode == 1
    assert two.reconciler("validate", "--staged", TWO).stdout == "1 spec, all valid\n"
    assert two.reconciler("compile", "--staged", check=False).returncode == 2
