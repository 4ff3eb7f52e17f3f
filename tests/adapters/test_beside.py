"""What `up` tells the two programs that it keeps reaches these, and nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.adapters import beside
from reconciler.adapters.targets import VARIABLE, open_servers
from reconciler.errors import UsageError
from tests.adapters.test_server_client import odd

READ = "import sys; from reconciler.adapters.beside import heard; print(heard(int(sys.argv[1])))"


def test_each_program_that_is_started_hears_the_secret_once() -> None:
    for _ in range(2):
        with beside.telling("rec_abc") as fd:
            argv = [sys.executable, "-c", READ, str(fd)]
            child = subprocess.Popen(argv, pass_fds=(fd,), stdout=subprocess.PIPE, text=True)
        assert child.communicate(timeout=20)[0] == "rec_abc\n"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_what_tells_no_secret_is_refused() -> None:
    assert beside.heard(None) is None
    here, there = os.pipe()
    os.close(there)
    for fd in (here, here, 1 << 20):
        with pytest.raises(UsageError, match="no file that tells a secret"):
            beside.heard(fd)


@pytest.mark.parametrize("named", ["127.0.0.1", "localhost", ""])
def test_only_the_server_beside_us_is_sent_the_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("TOKEN", "theirs")
    with odd(200) as own, odd(200) as other:
        monkeypatch.setenv(VARIABLE, own.endpoint)
        ours = own.endpoint.replace("127.0.0.1", named)
        settings = {"endpoints": [ours, other.endpoint]} if named else {}
        open_servers(settings, tmp_path, "ours").look()
        open_servers({**settings, "token_env": "TOKEN"}, tmp_path, "ours").look()
        open_servers({**settings, "token_env": "TOKEN"}, tmp_path).look()
    shown = [heard["headers"].get("Authorization") for heard in own.heard]
    assert shown == ["Bearer ours", "Bearer ours", "Bearer theirs"]
    if named:
        shown = [heard["headers"].get("Authorization") for heard in other.heard]
        assert shown == [None, "Bearer theirs", "Bearer theirs"]
