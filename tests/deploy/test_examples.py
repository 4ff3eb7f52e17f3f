"""The examples of deployment: what they name is there, and whoever reads them takes them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML

from reconciler.adapters import probes, webhook
from reconciler.cli.main import app
from tests.conftest import BIN, ROOT

DEPLOY = ROOT / "deploy"
UNITS = ("reconciler.service", "reconciler-serve.service", "reconciler-user.service")
CONTAINER = (DEPLOY / "Containerfile").read_text()


def directives(unit: str) -> dict[str, str]:
    """Return the settings of a unit; of several with one name, the last."""
    lines = (DEPLOY / unit).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"[A-Za-z]+=", line))


def compose() -> Any:
    return YAML(typ="safe").load(DEPLOY / "compose.yaml")["services"]["reconciler"]


def words(instruction: str) -> list[str]:
    """Return the words of the last instruction of that name."""
    found = re.findall(rf"^(?:\s+)?{instruction} (\[.*\])$", CONTAINER, re.MULTILINE)
    return [str(word) for word in json.loads(found[-1])]


def commands() -> dict[str, list[str]]:
    """Return every call of the program, from the verb on."""
    found = {unit: shlex.split(directives(unit)["ExecStart"])[1:] for unit in UNITS}
    entry = words("ENTRYPOINT")
    entry = entry[entry.index("reconciler") + 1 :]
    return {**found, "Containerfile": entry, "compose.yaml": [*entry, *compose()["command"]]}


@pytest.mark.parametrize("name", list(commands()))
def test_every_verb_and_option_that_is_named_exists(name: str) -> None:
    program: Any = typer.main.get_command(app)
    verbs: Mapping[str, Any] = program.commands
    verb, *rest = commands()[name]
    known = {option for param in verbs[verb].params for option in param.opts}
    assert {word for word in rest if word.startswith("--")} <= known


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_lets_the_daemon_end_its_own_trainings(unit: str) -> None:
    found = directives(unit)
    assert found["KillMode"] == "mixed"
    assert found["Restart"] == "on-failure"
    assert int(found["TimeoutStopSec"].removesuffix("s")) > 5
    assert compose()["stop_grace_period"] == found["TimeoutStopSec"]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_takes_a_unit_without_a_word(unit: str, tmp_path: Path) -> None:
    text = (DEPLOY / unit).read_text()
    place = directives(unit)["ExecStart"].split()[0]
    path = tmp_path / unit
    path.write_text(text.replace(place, str(BIN / "reconciler")))
    shutil.copy(DEPLOY / "reconciler-serve.socket", tmp_path)
    scope = "--user" if "user" in unit else "--system"
    done = subprocess.run(
        ("systemd-analyze", "verify", "--man=no", scope, path),
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "SYSTEMD_LOG_LEVEL": "warning"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if unit in line]
    assert (said, done.returncode) == ([], 0), done.stderr


def test_the_health_check_asks_where_probes_answer() -> None:
    assert f"http://127.0.0.1:{probes.PORT}/livez" in CONTAINER
    assert words("ENTRYPOINT")[-2:] == ["--probes-port", str(probes.PORT)]


def test_everything_that_is_copied_is_there_and_the_container_runs_as_nobody_special() -> None:
    copied = re.findall(r"^COPY (.+) \S+$", CONTAINER, re.MULTILINE)
    sources = [source for line in copied for source in line.split()]
    assert all((ROOT / source).exists() for source in sources)
    assert re.findall(r"^USER (\S+)$", CONTAINER, re.MULTILINE) == ["10001"]
    assert compose()["build"] == {"context": "..", "dockerfile": "deploy/Containerfile"}


def test_the_secret_is_named_as_the_program_reads_it() -> None:
    text = (DEPLOY / "reconciler.env").read_text()
    assert f"#{webhook.SECRET}=" in text
    assert "RECONCILER_REPO=" in text


def test_the_socket_is_where_the_server_and_the_container_answer() -> None:
    listens = directives("reconciler-serve.socket")["ListenStream"]
    assert directives("reconciler-serve.service")["Requires"] == "reconciler-serve.socket"
    assert f"{listens}:8080" in compose()["ports"]
    assert "8080" in re.findall(r"^EXPOSE (.*)$", CONTAINER, re.MULTILINE)[0].split()
