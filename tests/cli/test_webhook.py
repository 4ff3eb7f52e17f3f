"""The daemon's webhook: a post of the forge has it look at once."""

from __future__ import annotations

import hashlib
import hmac
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator

import pytest

from tests.conftest import BIN, Project

SECRET = "it is a secret to everybody"


@pytest.fixture
def empty(project: Project) -> Project:
    """Return a repository that declares no model."""
    project.reconciler("compile")
    project.commit()
    return project


@pytest.fixture
def daemon(empty: Project) -> Iterator[tuple[str, str]]:
    """Give where a daemon answers probes and takes posts; it looks by itself once an hour."""
    argv = ("watch", "--interval", "3600", "--probes-port", "0", "--webhook-port", "0")
    process = subprocess.Popen(
        (BIN / "reconciler", *argv),
        cwd=empty.root,
        env={**empty.env, "RECONCILER_WEBHOOK_SECRET": SECRET},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.search(r"probes on (\S+), webhook on (\S+)", said)
        assert found, said
        yield found[1], found[2]
        process.terminate()
        assert process.wait(6) == 0
        assert SECRET not in process.stdout.read()
    finally:
        process.kill()
        process.wait()


def age_s(probes: str) -> float:
    """Return how long ago the daemon has looked at the refs."""
    with urllib.request.urlopen(f"{probes}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    found = re.search(r"^reconciler_last_sync_age_seconds (\S+)", text, re.MULTILINE)
    assert found
    return float(found[1])


@pytest.mark.slow
def test_a_signed_post_has_the_daemon_look_at_once(daemon: tuple[str, str]) -> None:
    probes, posts = daemon
    body = b'{"ref": "refs/heads/main"}'
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    time.sleep(1.5)
    assert age_s(probes) > 1.0
    headers = {"X-Hub-Signature-256": f"sha256={digest}"}
    post = urllib.request.Request(posts, body, headers)
    with urllib.request.urlopen(post, timeout=5) as answer:
        assert answer.status == 200
    until = time.monotonic() + 5
    while age_s(probes) > 1.0 and time.monotonic() < until:
        time.sleep(0.05)
    assert age_s(probes) < 1.0


def test_without_a_secret_the_daemon_does_not_start(empty: Project) -> None:
    done = empty.reconciler("watch", "--webhook-port", "0", check=False)
    assert done.returncode == 2
    assert "RECONCILER_WEBHOOK_SECRET" in done.stderr
    assert not (empty.root / ".reconciler").exists()
