"""A model that servers serve, as its user meets it: released before there is one, and after."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from reconciler.adapters.tokens import Right, Token, TokenFile, digest
from tests.conftest import Project, Specify
from tests.serving.running import ask, serving, until

pytestmark = pytest.mark.slow

#: Nobody listens there: the port is for programs that throw away what they are sent.
PARAMS = """\
apiVersion: reconciler/v1
defaults: {deployment: {target: local}}
targets: {local: {endpoints: ["http://127.0.0.1:9"], token_env: SECRET}}
models: {}
"""


def health(project: Project) -> str:
    return str(project.status()["diabetes"]["health"])


def test_a_release_without_a_server_is_one_and_is_well_as_soon_as_there_is_one(
    project: Project, specify: Specify
) -> None:
    project.write("params.yaml", PARAMS)
    project.write("specs/diabetes.yaml", specify("diabetes"))
    project.reconciler("compile")
    project.commit("Declare diabetes")

    done = project.reconciler("apply")
    assert "diabetes: nobody serves it yet: no server answers at http://127.0.0.1:9" in done.stdout
    assert "`reconciler serve`" in done.stdout
    assert "1 model is as declared." in done.stdout
    assert health(project) == "Missing"
    assert "waits for a server" in project.reconciler("why", "diabetes").stdout
    plan = project.reconciler("plan").stdout
    assert "nobody serves it yet" in plan
    assert "1 unchanged" in plan
    doctor = project.reconciler("doctor", check=False).stdout
    assert "! servers    no server answers at http://127.0.0.1:9" in doctor
    assert not (project.root / "releases").exists()

    with serving(project.root, "--interval", "0.3") as server:
        server.until(1, model="diabetes")
        project.edit("params.yaml", "127.0.0.1:9", f"127.0.0.1:{server.port}")
        project.commit("Say where the server is")
        done = project.reconciler("apply")
        assert "nobody" not in done.stdout
        assert health(project) == "Healthy"
        _damaged(project, server.log)
        _guarded(project, server.port)


def _damaged(project: Project, log: list[str]) -> None:
    """Damage what is served where no cache can restore it, and see that it is told."""
    (bundle,) = (project.root / ".reconciler" / "bundles").glob("*/manifest.json")
    listed = json.loads(bundle.read_bytes())["files"]
    assert "model.onnx" in listed
    cache = project.root / ".dvc" / "cache" / "files"
    cache.rename(cache.with_name("away"))
    _flip(bundle.with_name("model.onnx"))
    end = time.monotonic() + 10
    while not any("BundleDamaged" in line for line in log):
        assert time.monotonic() < end, "".join(log)
        time.sleep(0.05)
    done = project.reconciler("apply", check=False)
    assert done.returncode == 1
    assert "BundleDamaged: what is served is damaged: http://" in done.stdout
    assert "it answers from memory" in done.stdout
    cache.with_name("away").rename(cache)
    assert "1 model is as declared." in project.reconciler("apply").stdout


def _guarded(project: Project, port: int) -> None:
    """Have the server ask for tokens, and see that it is not taken for dead."""
    file = TokenFile(project.root / ".reconciler" / "tokens.json")
    file.add(Token("ops", Right.ADMIN, digest(b"s3cret"), 0, ""))
    until(lambda: ask(port, "GET", "/status")[0] == 401, 10)
    done = project.reconciler("apply")
    assert "wants a token of scope admin: `targets.local.token_env` of params.yaml" in done.stdout
    assert "`reconciler token create NAME --scope admin` makes one" in done.stdout
    assert "reconciler serve" not in done.stdout
    assert health(project) == "Unknown"
    project.env["SECRET"] = "s3cret"
    assert "wants a token" not in project.reconciler("apply").stdout
    assert health(project) == "Healthy"
    del project.env["SECRET"]
    said = project.reconciler("why", "diabetes").stdout
    assert "waits for nothing: version 1 is in production as declared (served when last" in said
    assert "we cannot look ourselves: the server at http://127.0.0.1:" in said


def _flip(file: Path) -> None:
    before = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(bytes([before[0] ^ 1]) + before[1:])
