"""DVC remotes of every kind on this machine: a folder, an SSH server, an S3 server."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from getpass import getuser
from pathlib import Path

import pytest

_START_S = 20.0


@dataclass(frozen=True)
class Place:
    """A remote: what a repository commits about it, and what each person has of their own."""

    url: str
    shared: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)
    """Options that are no one else's business, for `.dvc/config.local`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that stand for `own`."""
    home: Mapping[str, bytes] = field(default_factory=dict)
    """Files of a home folder that stand for `own`."""


@contextlib.contextmanager
def directory(folder: Path) -> Iterator[Place]:
    """Give a remote in a folder."""
    yield Place(str(folder / "store"))


@contextlib.contextmanager
def ssh(folder: Path) -> Iterator[Place]:
    """Give a remote behind an SSH server of our own, with a throw-away host key and key pair."""
    program = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/sbin")
    if program is None:
        pytest.skip("sshd is not installed (Debian: openssh-server)")
    for name in ("host", "user"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(argv, check=True)
    (folder / "user.pub").rename(folder / "authorized")
    port = free_port()
    settings = f"""\
ListenAddress 127.0.0.1:{port}
HostKey {folder / "host"}
AuthorizedKeysFile {folder / "authorized"}
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
"""
    (folder / "sshd_config").write_text(settings)
    with _privileges(), _served([program, "-D", "-e", "-f", str(folder / "sshd_config")], folder):
        answers(port, lambda: _greeted(port), folder / "log")
        yield Place(
            f"ssh://127.0.0.1{folder / 'store'}",
            {"user": getuser(), "port": str(port)},
            {"keyfile": str(folder / "user")},
            home={".ssh/id_ed25519": (folder / "user").read_bytes()},
        )


@contextlib.contextmanager
def s3(folder: Path) -> Iterator[Place]:
    """Give a remote in a bucket of an S3 server of our own."""
    port = free_port()
    argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _served(argv, folder):
        base = f"http://127.0.0.1:{port}"
        answers(port, lambda: _put(f"{base}/bucket"), folder / "log")
        yield Place(
            "s3://bucket/store",
            {"endpointurl": base, "region": "us-east-1"},
            {"access_key_id": "an-access-key", "secret_access_key": "a-secret-key"},
            {"AWS_ACCESS_KEY_ID": "an-access-key", "AWS_SECRET_ACCESS_KEY": "a-secret-key"},
            {".aws/credentials": b"[default]\naws_access_key_id = a\naws_secret_access_key = b\n"},
        )


KINDS: Mapping[str, Callable[[Path], contextlib.AbstractContextManager[Place]]] = {
    "directory": directory,
    "ssh": ssh,
    "s3": s3,
}


def free_port() -> int:
    """Return a port of this machine that nobody listens to."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def answers(port: int, asked: Callable[[], bool], log: Path) -> None:
    """Wait until a server does what is asked."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if asked():
                return
        time.sleep(0.05)
    raise AssertionError(f"no answer on port {port}: {log.read_text()}")


@contextlib.contextmanager
def _served(argv: list[str], folder: Path) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield
    finally:
        server.terminate()
        server.wait(timeout=10)


@contextlib.contextmanager
def _privileges() -> Iterator[None]:
    """Give sshd the empty folder that it demands of root, where the system has not made it."""
    place = Path("/run/sshd")
    made = os.geteuid() == 0 and not place.exists()
    if made:
        place.mkdir(mode=0o755)
    try:
        yield
    finally:
        if made:
            place.rmdir()


def _greeted(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        return connection.recv(4) == b"SSH-"


def _put(url: str) -> bool:
    request = urllib.request.Request(url, method="PUT")
    with urllib.request.urlopen(request, timeout=5) as answer:
        return int(answer.status) == 200
