"""Processes: what is started can be ended, all of it and nothing else."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from reconciler.adapters.process import Group, Identity, end_orphan, run
from reconciler.errors import TerminalError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# A leader that starts a child which never ends, and says so.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid, flush=True)
{then}
"""


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def eventually(claim: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not claim() and time.monotonic() < deadline:
        time.sleep(0.02)
    return claim()


def parent(tmp_path: Path, then: str) -> tuple[Group, int]:
    argv = [sys.executable, "-c", PARENT.format(then=then)]
    group = Group.start(argv, tmp_path, dict(os.environ), tmp_path / "log")
    for line in group.lines():
        if line is not None and line.startswith("child"):
            return group, int(line.split()[1])
    raise AssertionError("the child never started")


def test_a_program_says_what_it_said(tmp_path: Path) -> None:
    script = "import sys; print(sys.stdin.read()); sys.stderr.write('e'); sys.exit(3)"
    done = run([sys.executable, "-c", script], tmp_path, input=b"in")
    assert (done.code, done.stdout, done.stderr) == (3, b"in\n", b"e")


def test_a_program_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(TerminalError, match="no-such-program") as caught:
        run(["no-such-program"], tmp_path)
    assert caught.value.reason == "ProgramMissing"


def test_a_program_that_does_not_end_is_ended(tmp_path: Path) -> None:
    with pytest.raises(TransientError) as caught:
        run(["sleep", "60"], tmp_path, timeout_s=0.1)
    assert caught.value.reason == "TimedOut"


def test_lines_arrive_while_the_program_runs_and_the_log_is_complete(tmp_path: Path) -> None:
    script = (
        "import time\nprint('one', flush=True)\ntime.sleep(.3)\nprint('two')\nprint('end', end='')"
    )
    log = tmp_path / "log"
    group = Group.start([sys.executable, "-c", script], tmp_path, dict(os.environ), log)
    seen = list(group.lines())
    assert [line for line in seen if line is not None] == ["one", "two", "end"]
    assert None in seen[seen.index("one") : seen.index("two")]
    assert group.finish() == 0
    assert log.read_text() == "one\ntwo\nend"


def test_who_runs_is_recorded_before_any_of_it_runs(tmp_path: Path) -> None:
    trace = tmp_path / "trace"

    def record(identity: Identity) -> None:
        time.sleep(0.2)
        assert not trace.exists()
        (tmp_path / "who").write_text(identity.to_json())

    group = Group.start(["touch", str(trace)], tmp_path, dict(os.environ), tmp_path / "log", record)
    assert group.finish() == 0
    assert trace.exists()
    assert Identity.from_json((tmp_path / "who").read_text()) == group.identity


def test_nothing_runs_when_who_runs_cannot_be_recorded(tmp_path: Path) -> None:
    def record(_: Identity) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(TransientError, match="No space left"):
        Group.start(["touch", str(tmp_path / "trace")], tmp_path, {}, tmp_path / "log", record)
    assert not (tmp_path / "trace").exists()


def test_terminate_ends_the_leader_and_what_it_started(tmp_path: Path) -> None:
    group, child = parent(tmp_path, "time.sleep(600)")
    group.terminate(grace_s=5)
    assert not alive(group.identity.pid)
    assert eventually(lambda: not alive(child))


def test_terminate_does_not_wait_for_a_program_that_ignores_it(tmp_path: Path) -> None:
    ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True)"
    group, child = parent(tmp_path, ignore + "\ntime.sleep(600)")
    assert "on" in group.lines()
    began = time.monotonic()
    group.terminate(grace_s=0.2)
    assert time.monotonic() - began < 3
    assert eventually(lambda: not alive(child))


# A leader that ends at once when it is asked to; a child that puts its things in order first.
LEADER = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", sys.argv[1]])
time.sleep(600)
"""
TIDY = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.4), open("tidy", "w"), sys.exit()))
print("child", flush=True)
time.sleep(600)
"""


def test_a_child_has_the_whole_grace_though_its_leader_ends_at_once(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", LEADER, TIDY]
    group = Group.start(argv, tmp_path, dict(os.environ), tmp_path / "log")
    assert "child" in group.lines()
    began = time.monotonic()
    group.terminate(grace_s=5)
    assert (tmp_path / "tidy").exists()
    assert time.monotonic() - began < 4


# What a training may start: each ignores SIGTERM; one leaves the group, one has no environment.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
own = subprocess.Popen(sleep, start_new_session=True)
bare = subprocess.Popen(sleep, env={})
plain = subprocess.Popen(sleep)
print("children", own.pid, bare.pid, plain.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("leader", ["waits", "is gone"])
def test_terminate_reaches_whatever_a_training_may_start(tmp_path: Path, leader: str) -> None:
    then = LEADER if leader == "waits" else LEADER.replace("600", "1")
    argv = [sys.executable, "-c", then, STUBBORN]
    group = Group.start(argv, tmp_path, dict(os.environ), tmp_path / "log")
    said = next(line for line in group.lines() if line and line.startswith("children"))
    pids = [int(word) for word in said.split()[1:]]
    assert len(pids) == 3
    if leader == "waits":
        group.terminate(grace_s=0.3)
    else:
        group.finish()
    assert eventually(lambda: not any(map(alive, pids)))


def test_finish_ends_what_outlived_the_leader(tmp_path: Path) -> None:
    group, child = parent(tmp_path, "")
    assert group.finish() == 0
    assert eventually(lambda: not alive(child))


def test_an_orphan_is_ended_by_whoever_finds_its_identity(tmp_path: Path) -> None:
    group, child = parent(tmp_path, "time.sleep(600)")
    os.kill(group.identity.pid, signal.SIGKILL)
    group._child.wait()
    assert alive(child)
    found = Identity.from_json(group.identity.to_json())
    assert found is not None
    assert end_orphan(found) == 1
    assert eventually(lambda: not alive(child))


def test_a_stranger_with_the_leaders_old_id_is_left_alone(tmp_path: Path) -> None:
    stranger, child = parent(tmp_path, "time.sleep(600)")
    reused = Identity(stranger.identity.pid, stranger.identity.started - 60, "another-token")
    assert end_orphan(reused) == 0
    assert alive(stranger.identity.pid)
    assert alive(child)
    stranger.terminate(1)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', "null", '{"pid": "x"}'])
def test_an_identity_that_was_torn_in_writing_is_none(text: str) -> None:
    assert Identity.from_json(text) is None
