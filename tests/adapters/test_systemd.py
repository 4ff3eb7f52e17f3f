"""What is taken from systemd, and what it is told."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from reconciler.adapters.systemd import handed_over, tell_ready


def test_only_who_is_meant_takes_a_socket() -> None:
    assert handed_over({}) is None
    assert handed_over({"LISTEN_PID": "1", "LISTEN_FDS": "1"}) is None
    assert handed_over({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "0"}) is None


def test_whoever_waits_is_told_and_nobody_else(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        line.settimeout(1)
        tell_ready({})
        tell_ready({"NOTIFY_SOCKET": str(tmp_path / "nobody")})
        tell_ready({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert line.recv(100) == b"READY=1"
