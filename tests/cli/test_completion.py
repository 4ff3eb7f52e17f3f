"""Completion: scripts for three shells, and names without git, a database or the heavy modules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.cli import completing
from tests.conftest import BIN


def ask(words: str, folder: Path, shell: str = "bash") -> list[str]:
    """Return what a shell is offered for the last of `words`."""
    asked = {
        "COMP_WORDS": f"reconciler {words}",
        "COMP_CWORD": str(len(words.split(" "))),
        "_TYPER_COMPLETE_ARGS": f"reconciler {words}",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_RECONCILER_COMPLETE": f"complete_{shell}",
    }
    done = subprocess.run(
        [str(BIN / "reconciler")], cwd=folder, env={**os.environ, **asked},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.split("\n")[:-1]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for path in ("specs/wine.yaml", "specs/.wind.yaml.swp", "specs/runtime.txt", ".git/HEAD"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "deployed").mkdir()
    (tmp_path / "deployed" / "winter.yaml").touch()
    return tmp_path


def test_models_come_from_specs_and_records_wherever_one_stands(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository / "specs")
    assert completing.models("") == ["wine", "winter"]
    assert completing.models("wint") == ["winter"]


def test_outside_of_a_repository_nothing_is_offered_and_nothing_breaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert completing.models("") == []


def test_verbs_models_and_options_complete(repository: Path) -> None:
    assert ask("roll", repository) == ["rollback"]
    assert ask("why wi", repository) == ["wine", "winter"]
    assert ask("suspend --re", repository) == ["--reason"]


def test_fish_is_offered_the_same_models(repository: Path) -> None:
    assert ask("history wint", repository, "fish") == ["winter"]


@pytest.mark.parametrize(
    ("shell", "first"),
    [("bash", "_reconciler_completion()"), ("zsh", "#compdef reconciler"), ("fish", "complete")],
)
def test_each_shell_has_a_script(shell: str, first: str) -> None:
    done = subprocess.run(
        [str(BIN / "reconciler"), "completion", shell], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(first)
    assert "_RECONCILER_COMPLETE" in done.stdout


def test_the_script_works_in_a_real_bash(repository: Path) -> None:
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    script = (
        "source <(reconciler completion bash);"
        " COMP_WORDS=(reconciler why wi); COMP_CWORD=2;"
        " _reconciler_completion reconciler; echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script], cwd=repository, env={**os.environ, "PATH": path},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["wine", "winter"]


def test_completing_a_name_loads_nothing_heavy() -> None:
    code = "import sys, reconciler.cli.main; print([m for m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for heavy in ("git", "dvc", "polars", "pydantic", "sqlite3", "sklearn"):
        assert f"'{heavy}'" not in done.stdout
