"""Hooks as git calls them: what they refuse and print, and whom they leave alone."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from reconciler.cli import hooks
from reconciler.cli.options import Hooking
from reconciler.core.hook_script import Hook, script
from reconciler.errors import UsageError
from tests.conftest import BIN, ROOT, Project
from tests.quick import copy, make, retune

SPEC = "specs/a.yaml"
HOOKS = ("pre-commit", "post-merge", "post-rewrite")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a repository with two models."""
    base = tmp_path_factory.mktemp("hooks")
    (base / "home").mkdir()
    made = make(base / "made", base / "home")
    made.git("config", "user.name", "Ada")
    made.git("config", "user.email", "ada@example.org")
    return made


@pytest.fixture
def two(made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a copy of it, in a folder with a space in its name."""
    project = copy(made, tmp_path / "a repo")
    for name in ("HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_NOSYSTEM"):
        monkeypatch.setenv(name, project.env[name])
    return project


class Verb:
    """The verb `hooks`, called in a repository."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._go = monkeypatch.chdir
        self._said = capsys

    def __call__(self, project: Project, action: str) -> tuple[int, str]:
        """Return the exit code and what is printed."""
        self._go(project.root)
        self._said.readouterr()
        try:
            code = hooks.run(Hooking(action))
        except UsageError as error:
            return 2, str(error)
        return code, self._said.readouterr().out


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verb:
    return Verb(monkeypatch, capsys)


@pytest.fixture
def hooked(two: Project, verb: Verb) -> Project:
    """Return the same with our hooks; git finds no reconciler on PATH."""
    verb(two, "install")
    two.env["PATH"] = os.pathsep.join(
        part
        for part in os.environ["PATH"].split(os.pathsep)
        if not (Path(part) / "reconciler").exists()
    )
    return two


def folder(project: Project) -> Path:
    return project.root / ".git" / "hooks"


def write(project: Project, hook: str, body: str, mode: int = 0o755) -> Path:
    path = folder(project) / hook
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(mode)
    return path


def held(project: Project) -> dict[str, tuple[int, str]]:
    """Return every hook with its mode, and its text or what it links to."""
    return {
        path.name: (
            path.lstat().st_mode,
            str(path.readlink()) if path.is_symlink() else path.read_text(),
        )
        for path in folder(project).iterdir()
        if path.suffix != ".sample"
    }


def commit(project: Project, *argv: str) -> tuple[int, str]:
    done = project.call("git", "commit", "-q", "-m", "Change", *argv, check=False)
    return done.returncode, done.stderr


def spoil(project: Project) -> None:
    project.edit(SPEC, "linear_model.Ridge", "linear_model.Rigde")


@pytest.mark.parametrize("how", [("-a",), (SPEC,), ("--include", SPEC)])
def test_a_commit_of_a_wrong_spec_is_refused_however_it_is_made(
    hooked: Project, how: tuple[str, ...]
) -> None:
    before = hooked.git("rev-parse", "HEAD")
    spoil(hooked)
    code, said = commit(hooked, *how)
    assert code == 1
    assert f"{SPEC}:6:27: spec.training.estimator" in said
    assert hooked.git("rev-parse", "HEAD") == before
    assert commit(hooked, "--no-verify", *how) == (0, "")


def test_a_commit_of_one_file_is_judged_without_what_is_staged_beside_it(hooked: Project) -> None:
    spoil(hooked)
    hooked.git("add", SPEC)
    retune(hooked, "b", 2.0)
    assert commit(hooked, "specs/b.yaml") == (0, "")
    assert commit(hooked)[0] == 1


def test_a_good_commit_passes_without_a_word(hooked: Project) -> None:
    retune(hooked, "a", 2.0)
    assert commit(hooked, "-a") == (0, "")


def test_a_merge_is_followed_by_a_short_plan(hooked: Project) -> None:
    hooked.git("checkout", "-q", "-b", "topic")
    retune(hooked, "a", 2.0)
    commit(hooked, "-a")
    hooked.git("checkout", "-q", "main")
    said = hooked.call("git", "merge", "-q", "topic").stderr
    assert "2 create" in said
    assert "create    a" in said
    assert "reconciler apply" in said


@pytest.mark.slow
def test_a_rebase_is_followed_by_a_plan_and_an_amended_commit_is_not(hooked: Project) -> None:
    base = hooked.git("rev-parse", "HEAD")
    hooked.write("notes", "1")
    hooked.git("add", "notes")
    commit(hooked)
    hooked.git("checkout", "-q", "-b", "topic", base)
    retune(hooked, "a", 2.0)
    commit(hooked, "-a")
    assert "2 create" in hooked.call("git", "rebase", "-q", "main").stderr
    assert commit(hooked, "--amend") == (0, "")


def test_a_merge_of_what_cannot_be_planned_succeeds(hooked: Project) -> None:
    hooked.git("checkout", "-q", "-b", "topic")
    hooked.write("params.yaml", "models: [\n")
    commit(hooked, "-a", "--no-verify")
    hooked.git("checkout", "-q", "main")
    done = hooked.call("git", "merge", "-q", "topic")
    assert "reconciler: no plan: " in done.stderr


def test_installing_twice_changes_nothing(two: Project, verb: Verb) -> None:
    verb(two, "install")
    before = held(two)
    assert "wrote" not in verb(two, "install")[1]
    assert held(two) == before
    assert set(before) == set(HOOKS)
    assert verb(two, "status")[0] == 0


@pytest.mark.parametrize("twice", [False, True])
def test_a_hook_that_was_there_runs_first_and_is_back_afterwards(
    two: Project, twice: bool, verb: Verb
) -> None:
    write(two, "pre-commit", 'echo "mine: $0" >&2; exec >&2; read -r x || echo no input')
    (folder(two) / "post-merge").symlink_to("../nowhere")
    write(two, "post-rewrite", "cat > seen", mode=0o644)
    before = held(two)
    for _ in range(1 + twice):
        verb(two, "install")
    two.write("notes", "1")
    two.git("add", "notes")
    assert "mine: " in commit(two)[1]
    verb(two, "remove")
    assert held(two) == before
    assert verb(two, "status")[0] == 1
    assert verb(two, "remove")[0] == 0


def test_a_hook_that_was_there_and_refuses_has_the_last_word(two: Project, verb: Verb) -> None:
    write(two, "pre-commit", "exit 7")
    verb(two, "install")
    retune(two, "a", 2.0)
    assert commit(two, "-a")[0] == 1
    assert commit(two, "-a", "--no-verify")[0] == 0


def test_a_former_hook_gets_what_git_says_to_it(two: Project, verb: Verb) -> None:
    write(two, "post-rewrite", 'echo "$1" > seen; cat >> seen')
    verb(two, "install")
    commit(two, "--amend", "--allow-empty", "--no-edit")
    lines = (two.root / "seen").read_text().splitlines()
    assert lines[0] == "amend"
    assert len(lines[1].split()) == 2


def test_two_tools_that_call_each_other_come_to_an_end(two: Project, verb: Verb) -> None:
    write(two, "pre-commit", '"$(dirname "$0")/pre-commit" && echo it >> ran')
    verb(two, "install")
    retune(two, "a", 2.0)
    assert commit(two, "-a")[0] == 0
    assert (two.root / "ran").read_text() == "it\n"


def test_the_hook_that_another_tool_has_moved_aside_is_still_ours(two: Project, verb: Verb) -> None:
    verb(two, "install")
    (folder(two) / "pre-commit").rename(folder(two) / "pre-commit.legacy")
    write(two, "pre-commit", '"$0.legacy"')
    before = held(two)
    assert "wrote" not in verb(two, "install")[1]
    assert held(two) == before
    spoil(two)
    assert commit(two, "-a")[0] == 1
    verb(two, "remove")
    assert set(held(two)) == {"pre-commit"}


def test_the_framework_of_hooks_that_is_installed_twice_runs_once(two: Project, verb: Verb) -> None:
    framework = (
        "# File generated by pre-commit: it is known by this line\necho it >> ran\n"
        'PRE_COMMIT_RUNNING_LEGACY=1; export PRE_COMMIT_RUNNING_LEGACY; "$(dirname "$0")/{}"'
    )
    write(two, "pre-commit", framework.format("pre-commit.sample"))
    verb(two, "install")
    (folder(two) / "pre-commit").rename(folder(two) / "pre-commit.legacy")
    write(two, "pre-commit", framework.format("pre-commit.legacy"))
    retune(two, "a", 2.0)
    assert commit(two, "-a")[0] == 0
    assert (two.root / "ran").read_text() == "it\n"
    verb(two, "remove")
    assert set(held(two)) == {"pre-commit"}


@pytest.mark.slow
def test_hooks_of_dvc_go_on_working(two: Project, verb: Verb) -> None:
    two.call("dvc", "install")
    before = held(two)
    verb(two, "install")
    spoil(two)
    assert commit(two, "-a")[0] == 1
    verb(two, "remove")
    assert held(two) == before


def test_a_hook_that_was_edited_is_neither_replaced_nor_deleted(two: Project, verb: Verb) -> None:
    verb(two, "install")
    with (folder(two) / "post-merge").open("a") as file:
        file.write("make\n")
    before = held(two)
    for action in ("install", "remove"):
        code, said = verb(two, action)
        assert code == 2
        assert "post-merge" in said
        assert held(two) == before


def test_a_third_hook_is_not_lost_between_two(two: Project, verb: Verb) -> None:
    write(two, "pre-commit", "true")
    verb(two, "install")
    write(two, "pre-commit", "echo another")
    before = held(two)
    code, said = verb(two, "install")
    assert code == 2
    assert "pre-commit.before-reconciler" in said
    assert held(two) == before


def test_what_an_earlier_version_made_is_brought_up_to_date(two: Project, verb: Verb) -> None:
    verb(two, "install")
    now = held(two)
    for hook in Hook:
        (folder(two) / hook.value).write_bytes(script(hook, "/gone/reconciler"))
    assert "not as this version makes it" in verb(two, "status")[1]
    assert verb(two, "install")[1].count("wrote") == 3
    assert held(two) == now


def test_a_killed_installation_is_completed_or_taken_back(two: Project, verb: Verb) -> None:
    write(two, "pre-commit", "exit 0")
    before = held(two)
    (folder(two) / "pre-commit").rename(folder(two) / "pre-commit.before-reconciler")
    verb(two, "remove")
    assert held(two) == before
    (folder(two) / "pre-commit").rename(folder(two) / "pre-commit.before-reconciler")
    verb(two, "install")
    verb(two, "remove")
    assert held(two) == before


@pytest.mark.parametrize("scope", ["--local", "--global"])
def test_a_folder_of_hooks_that_others_look_after_is_left_alone(
    two: Project, scope: str, verb: Verb
) -> None:
    two.git("config", scope, "core.hooksPath", "~/.husky")
    for action in ("install", "status", "remove"):
        code, said = verb(two, action)
        assert code == 2
        assert "reconciler hook pre-commit" in said
    assert held(two) == {}
    two.git("config", scope, "--unset", "core.hooksPath")
    two.git("config", "--local", "core.hooksPath", ".git/hooks")
    assert verb(two, "install")[0] == 0


def test_a_folder_of_hooks_that_is_a_link_is_left_alone(two: Project, verb: Verb) -> None:
    shutil.rmtree(folder(two))
    (two.root / "scripts").mkdir()
    folder(two).symlink_to("../scripts")
    assert verb(two, "install")[0] == 2
    assert list((two.root / "scripts").iterdir()) == []


def test_a_repository_without_a_folder_of_hooks_gets_one(two: Project, verb: Verb) -> None:
    shutil.rmtree(folder(two))
    verb(two, "install")
    assert set(held(two)) == set(HOOKS)


def test_hooks_hold_in_every_working_tree(two: Project, verb: Verb) -> None:
    two.git("worktree", "add", "-q", "-b", "topic", "../tree two")
    tree = Project(two.root.with_name("tree two"), Path(two.env["HOME"]))
    assert "every working tree" in verb(tree, "install")[1]
    assert set(held(two)) == set(HOOKS)
    for project in (two, tree):
        spoil(project)
        assert commit(project, "-a")[0] == 1


def test_a_bare_repository_is_refused(two: Project, verb: Verb) -> None:
    two.git("clone", "-q", "--bare", ".", "../bare.git")
    bare = Project(two.root.with_name("bare.git"), Path(two.env["HOME"]))
    code, said = verb(bare, "install")
    assert code == 2
    assert "bare repository" in said


@pytest.mark.parametrize("ident", ["reconciler-validate", "reconciler-compile"])
def test_the_framework_of_hooks_finds_what_it_calls(two: Project, ident: str) -> None:
    listed = YAML(typ="safe").load(ROOT / ".pre-commit-hooks.yaml")
    [found] = [hook for hook in listed if hook["id"] == ident]
    assert (found["language"], found["pass_filenames"]) == ("python", False)
    for path in (SPEC, "specs/runtime.txt", "params.yaml", "reconciler.yaml", "dvc.yaml"):
        assert re.search(found["files"], path)
    assert not re.search(found["files"], "docs/specs/a.md")
    program, *rest = found["entry"].split()
    assert program == "reconciler"
    two.edit("params.yaml", "a: {data: data/rows.csv", "a: {data: data/more.csv")
    spoil(two)
    assert two.reconciler(*rest, check=False).returncode == 0
    two.git("add", "-A")
    assert two.reconciler(*rest, check=False).returncode == 1


def test_without_the_program_a_commit_passes_and_says_so(hooked: Project) -> None:
    for name in HOOKS:
        path = folder(hooked) / name
        path.write_bytes(path.read_bytes().replace(os.fsencode(BIN), b"/gone"))
    spoil(hooked)
    code, said = commit(hooked, "-a")
    assert code == 0
    assert "neither at /gone/reconciler nor on PATH, so nothing was checked" in said


def test_a_program_that_fails_otherwise_refuses_no_commit(hooked: Project, tmp_path: Path) -> None:
    broken = tmp_path / "reconciler"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    path = folder(hooked) / "pre-commit"
    path.write_bytes(path.read_bytes().replace(os.fsencode(BIN), os.fsencode(tmp_path)))
    spoil(hooked)
    code, said = commit(hooked, "-a")
    assert code == 0
    assert "nothing was checked (exit 3)" in said
