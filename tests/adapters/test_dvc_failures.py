"""A remote that fails says which, why and what to do; it waits for time, and shows no secret."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.adapters import dvc_failures, dvc_program
from reconciler.adapters.dvc_failures import Outage, failure
from reconciler.adapters.dvc_output import Progress
from reconciler.adapters.dvc_remote import Remote
from reconciler.errors import TerminalError, TransientError

SECRET = "hunter2-and-more"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "user"))
    monkeypatch.setenv("DVC_SYSTEM_CONFIG_DIR", str(tmp_path / "system"))
    folder = tmp_path / "repo" / ".dvc"
    folder.mkdir(parents=True)
    (folder / "config").write_text("[core]\nremote = store\n['remote \"store\"']\nurl = s3://b/p\n")
    return folder.parent


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("[Errno 111] Connect call failed ('127.0.0.1', 22)", "RemoteUnreachable"),
        ("[Errno -2] Name or service not known", "RemoteUnreachable"),
        ('Could not connect to the endpoint URL: "http://x/"', "RemoteUnreachable"),
        ("Permission denied for user ann on host h", "RemoteRefused"),
        ("Unable to locate credentials", "RemoteRefused"),
        ("Forbidden: An error occurred (403) when calling the HeadObject", "RemoteRefused"),
        ("no answer within 60 s", "RemoteSilent"),
        ("[Errno 28] No space left on device", "RemoteFull"),
        ("[Errno 20] Not a directory: '/store'", "RemoteFailed"),
    ],
)
def test_what_dvc_says_of_a_remote_becomes_a_reason_and_a_next_step(
    root: Path, said: str, reason: str
) -> None:
    line = f"ERROR: failed to reproduce 'train@m': the remote 'store' failed: {said}"
    error = failure(["Asking the remote 'store' ...", line], root)
    assert isinstance(error, TransientError)
    assert error.reason == reason
    assert error.message.startswith("the DVC remote 'store' (s3://b/p) ")
    assert said in error.message
    assert error.hint


def test_files_that_could_not_be_moved_are_told_by_their_cause(root: Path) -> None:
    lines = [
        "ERROR: failed to transfer '5d41' - The specified bucket does not exist",
        "ERROR: the remote 'store' failed: 1 files cannot be pushed",
    ]
    error = failure(lines, root)
    assert error is not None
    assert error.message.endswith("failed: The specified bucket does not exist")


@pytest.mark.parametrize(
    "said",
    [
        "unexpected error - s3 is supported, but requires 'dvc-s3' to be installed",
        "No module named 'dvc_s3'",
        "filesystem for 's3': '<class 'dvc_s3.S3FileSystem'>' missing dependencies",
    ],
)
def test_a_package_that_is_missing_is_named_as_what_to_install(root: Path, said: str) -> None:
    error = failure([f"ERROR: the remote 'store' failed: {said}"], root)
    assert isinstance(error, TerminalError)
    assert (error.reason, error.hint) == ("ExtraMissing", "pip install 'reconciler[s3]'")


def test_a_remote_that_names_files_by_path_is_refused(root: Path) -> None:
    why = "'push' is unsupported for cloud versioned remotes"
    error = failure([f"ERROR: the remote 'store' failed: {why}"], root)
    assert isinstance(error, TerminalError)
    assert error.reason == "RemoteUnsupported"


def test_an_address_is_told_without_what_was_asked_there(root: Path) -> None:
    why = 'Could not connect to the endpoint URL: "http://h/bucket?prefix=x&signature=abc"'
    error = failure([f"ERROR: the remote 'store' failed: {why}"], root)
    assert error is not None
    assert error.message.endswith('"http://h/bucket"')


def test_what_is_no_failure_of_a_remote_is_left_to_others(root: Path) -> None:
    assert failure(["ERROR: failed to reproduce 'train@m'"], root) is None


def test_a_password_in_the_address_is_not_told(root: Path) -> None:
    url = f"url = ssh://ann:{SECRET}@example.org/store\n"
    (root / ".dvc" / "config.local").write_text(f"['remote \"store\"']\n{url}")
    error = failure(["ERROR: the remote 'store' failed: gone"], root)
    assert "(ssh://ann@example.org/store)" in str(error)


def test_waiting_for_a_remote_is_no_time_of_training() -> None:
    progress = Progress()
    lines = ["Asking the remote 'a' ...", "The remote 'a' has answered.", "Running stage 'train@m'"]
    for now, line in enumerate(lines, 1):
        progress.feed(line, 10.0 * now)
    assert progress.away(40.0) == 10.0
    progress.feed("Asking the remote 'a' ...", 50.0)
    assert progress.away(65.0) == 25.0


def test_a_remote_that_failed_is_not_asked_again_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outage = Outage()
    outage.noted(TransientError("full", reason="DiskFull"))
    outage.check()
    outage.noted(TransientError("gone", reason="RemoteSilent"))
    with pytest.raises(TransientError, match="gone"):
        outage.check()
    later = time.monotonic() + dvc_failures.PAUSE_S
    monkeypatch.setattr(time, "monotonic", lambda: later)
    outage.check()


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """Give the port of a server that takes connections and never says anything."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(8)
        yield server.getsockname()[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "url", ["url = ssh://ann@127.0.0.1/store\nport = {}", "url = s3://b/p\nendpointurl = http://127.0.0.1:{}"]
)  # fmt: skip
def test_a_remote_that_never_answers_is_given_up(
    root: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setattr(dvc_program, "PATIENCE_S", 1.0)
    keys = f"access_key_id = an-id\nsecret_access_key = {SECRET}\nregion = us-east-1\n"
    with silent() as port:
        text = f"['remote \"store\"']\n{url.format(port)}\n{keys if 's3' in url else ''}"
        (root / ".dvc" / "config.local").write_text(text)
        remote = Remote(root)
        with pytest.raises(TransientError, match="does not answer") as caught:
            remote.fetch("0" * 32)
        began = time.monotonic()
        with pytest.raises(TransientError, match="does not answer"):
            remote.fetch("0" * 32)
    assert caught.value.reason == "RemoteSilent"
    assert time.monotonic() - began < 0.1


@pytest.mark.slow
def test_no_secret_is_printed_whatever_dvc_says(root: Path) -> None:
    text = f"['remote \"store\"']\nurl = file://ann:{SECRET}@host/x\nsecret_access_key = {SECRET}\n"
    (root / ".dvc" / "config.local").write_text(text)
    done = subprocess.run(
        [*dvc_program.argv("config"), "--list"], cwd=root, capture_output=True, text=True,
        env=dvc_program.environment(), check=False,
    )  # fmt: skip
    assert "secret_access_key=***" in done.stdout
    assert SECRET not in done.stdout + done.stderr
