"""The machine's memory: limits of cgroups count, and shared pages count once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from reconciler.adapters import machine
from reconciler.adapters.machine import Gauge, _limits, fair, memory

MB = 1_000_000
# A process that holds memory, and three that share it with their parent.
FAMILY = """
import os, time
own = b"x" * 100_000_000
for _ in range(3):
    if os.fork() == 0:
        break
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def family() -> Iterator[int]:
    """Return the session of a process of 100 MB with children that share all of it."""
    argv = [sys.executable, "-c", FAMILY]
    leader = subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True)
    assert leader.stdout is not None
    for _ in range(4):
        leader.stdout.readline()
    yield leader.pid
    for process in (psutil.Process(leader.pid), *psutil.Process(leader.pid).children(True)):
        process.kill()
    leader.wait()
    leader.stdout.close()


def test_what_processes_share_counts_once_where_it_matters(family: int) -> None:
    assert Gauge(family, 10**12).beyond() is None
    assert Gauge(family, 200 * MB).beyond() is None, "taken one by one they hold 400 MB"
    held = Gauge(family, 90 * MB).beyond()
    assert held is not None
    assert 100 * MB <= held < 200 * MB


def test_looking_closely_takes_a_twentieth_of_the_time_at_most(family: int) -> None:
    times = iter([0.0, 0.3, 5.9, 6.0, 6.1, 6.2])
    gauge = Gauge(family, 90 * MB, lambda: next(times))
    assert [gauge.beyond() is not None for _ in range(4)] == [True, False, True, False]


def test_of_a_session_that_is_gone_nothing_is_held() -> None:
    assert Gauge(2**22 + 1, 0).beyond() is None


def test_a_training_may_take_most_of_what_there_is() -> None:
    assert 0 < memory() <= psutil.virtual_memory().total
    assert fair() == int(memory() * machine.SHARE)


@pytest.mark.parametrize(
    ("own", "file", "text", "limits"),
    [
        ("0::/a/b", "a/b/memory.max", "1000", [1000]),
        ("0::/a/b", "a/memory.max", "2000", [2000]),
        ("0::/", "memory.max", "max", []),
        ("0::/a", "b/memory.max", "1000", []),
        ("4:cpu,memory:/x", "memory/x/memory.limit_in_bytes", "3000", [3000]),
        ("4:memory:/elsewhere", "memory/memory.limit_in_bytes", "3000", [3000]),
        ("3:cpu:/x", "memory/x/memory.limit_in_bytes", "3000", []),
    ],
)
def test_the_limits_of_cgroups_are_found_in_either_version(
    tmp_path: Path, own: str, file: str, text: str, limits: list[int]
) -> None:
    (tmp_path / "cgroup").write_text(f"{own}\n")
    (tmp_path / "fs" / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "fs" / file).write_text(f"{text}\n")
    assert _limits(tmp_path / "cgroup", tmp_path / "fs") == limits


def test_a_machine_without_cgroups_has_no_limits_of_theirs(tmp_path: Path) -> None:
    assert _limits(tmp_path / "none", tmp_path) == []
