"""The client of KServe, in a process of its own: its requirements are at odds with ours."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CLIENT = Path(sys.prefix) / "kserve"


@pytest.mark.skipif(not CLIENT.is_dir(), reason="make installs it; see the Makefile")
def test_it_gets_answers_in_json_and_in_binary(address: str) -> None:
    program = str(Path(__file__).with_name("kserve_client.py"))
    argv = [sys.executable, program, str(CLIENT), f"http://{address}"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told.pop("live"), told.pop("ready"), told.pop("models")) == (True, True, [True, False])
    assert "inputs is empty" in told.pop("refused")
    labels, likely = ["setosa", "virginica"], [[0.75, 0.25], [0.25, 0.75]]
    assert list(told.values()) == [["seven", labels, likely]] * 4
