"""Processes: the only module that starts one, and the one that makes sure none outlives its use.

A long run is a `Group`: a session of its own whose every process carries a token in its
environment, so that whoever finds the token later can end all of them and nothing else.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.errors import TerminalError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from threading import Event

#: The variable that marks every process of a group.
TOKEN = "RECONCILER_GROUP"  # noqa: S105 - a name, not a secret

# The shell waits for a line before it becomes the program: the starter can write down who runs
# first. When the starter dies before that, `read` meets the end of the pipe and nothing runs.
_GATE = ("/bin/sh", "-c", 'read -r _ || exit 125; exec "$@" </dev/null', "gate")


@dataclass(frozen=True, slots=True)
class Completed:
    """A process that has ended."""

    code: int
    """Exit status; negative: the signal that ended it."""
    stdout: bytes
    stderr: bytes


def run(
    argv: Sequence[str],
    cwd: Path,
    env: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
    input: bytes | None = None,  # noqa: A002 - the word of subprocess
) -> Completed:
    """Run a short program to its end and return what it said, whatever its exit status.

    Args:
        argv: The program and its arguments; no shell reads them.
        cwd: Where it runs.
        env: Its whole environment; None: this process's own.
        timeout_s: Seconds after which it is killed; None: never.
        input: What it reads; None: an empty stream.

    Raises:
        TerminalError: The program is not installed.
        TransientError: It did not end in time.
    """
    try:
        done = subprocess.run(
            list(argv), cwd=cwd, env=env, timeout=timeout_s, capture_output=True, input=input or b""
        )
    except FileNotFoundError as error:
        raise _missing(argv[0], cwd) from error
    except subprocess.TimeoutExpired as error:
        raise TransientError(
            f"`{' '.join(argv[:3])} …` did not end within {timeout_s:g} s", reason="TimedOut"
        ) from error
    return Completed(done.returncode, done.stdout, done.stderr)


def call(
    argv: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    timeout_s: float,
    stop: Event | None = None,
    grace_s: float = 1.0,
) -> Completed:
    """Run a program that waits for another machine, and return what it said.

    It has a session of its own and so no terminal to ask on. What it leaves behind, such as the
    shared connection of an ssh, is not waited for.

    Args:
        argv: The program and its arguments.
        cwd: Where it runs.
        env: Its whole environment.
        timeout_s: Seconds after which it is ended, and all that it started.
        stop: Ends it at once when set; None: nothing does.
        grace_s: Seconds between SIGTERM, at which git removes its locks, and SIGKILL.

    Raises:
        TerminalError: The program is not installed.
        TransientError: `TimedOut` or `Stopped`: it was ended.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            child = subprocess.Popen(
                list(argv), cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                start_new_session=True,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise _missing(argv[0], cwd) from error
        try:
            _wait(child, timeout_s, stop)
        finally:
            _end(child, grace_s)
        out.seek(0)
        err.seek(0)
        return Completed(child.returncode, out.read(), err.read())


def _wait(child: subprocess.Popen[bytes], timeout_s: float, stop: Event | None) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        left = deadline - time.monotonic()
        try:
            child.wait(max(0.0, min(left, 0.2)))
        except subprocess.TimeoutExpired:
            if stop is not None and stop.is_set():
                raise TransientError("the program is ending", reason="Stopped") from None
            if left <= 0:
                words = f"there was no answer within {timeout_s:g} s"
                raise TransientError(words, reason="TimedOut") from None
        else:
            return


def _end(child: subprocess.Popen[bytes], grace_s: float) -> None:
    """End a session's leader that still runs, and whatever is in its group with it."""
    if child.poll() is not None:
        return
    _signal(child.pid, signal.SIGTERM)
    try:
        child.wait(grace_s)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _signal(child.pid, signal.SIGKILL)
        child.wait()


@dataclass(frozen=True, slots=True)
class Identity:
    """Who runs: enough to recognise a group after its starter has died."""

    pid: int
    """Process id of the leader, which is also the id of its group and session."""
    started: float
    """When the leader started, in seconds since the epoch."""
    token: str
    """What every process of the group carries in its environment."""

    def to_json(self) -> str:
        """Return the identity as a line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Identity | None:
        """Return the identity that `text` states; None when it states none (a torn write)."""
        try:
            found = json.loads(text)
            return cls(int(found["pid"]), float(found["started"]), str(found["token"]))
        except (ValueError, KeyError, TypeError):
            return None


class Group:
    """A program and all that it starts, in a session of their own, writing to one log.

    The log is a file that the program itself writes, so it is complete even when this process
    dies; progress is read from its end.
    """

    def __init__(self, child: subprocess.Popen[bytes], identity: Identity, log: Path) -> None:
        self._child = child
        self._log = log
        self.identity = identity

    @classmethod
    def start(
        cls,
        argv: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        log: Path,
        record: Callable[[Identity], None] = lambda _: None,
    ) -> Group:
        """Start `argv`, its output in `log` (which is emptied first).

        Args:
            argv: The program and its arguments.
            cwd: Where it runs.
            env: Its whole environment; the group's token is added.
            log: Where standard output and error go.
            record: Called with who will run, before any of it runs.

        Raises:
            TransientError: The log cannot be written, or no process can be started.
        """
        token = uuid.uuid4().hex
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("wb") as output:
                child = subprocess.Popen(
                    [*_GATE, *argv],
                    cwd=cwd,
                    env={**env, TOKEN: token},
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            raise TransientError(
                f"cannot start `{argv[0]}` in {cwd} with the log {log}: {error.strerror}",
                reason="CannotStart",
            ) from error
        group = cls(child, Identity(child.pid, _started(child.pid), token), log)
        try:
            record(group.identity)
            assert child.stdin is not None
            child.stdin.write(b"\n")
            child.stdin.close()
        except OSError as error:
            group.terminate(0)
            raise TransientError(
                f"cannot record the processes of {cwd}: {error.strerror}", reason="CannotStart"
            ) from error
        return group

    def lines(self, poll_s: float = 0.02) -> Iterator[str | None]:
        """Yield the log's lines as they are written, until the leader has ended.

        Yields None whenever there is nothing new, so that the caller can look at a clock.

        Args:
            poll_s: Seconds between two looks at the log.
        """
        rest = b""
        with self._log.open("rb") as log:
            while True:
                ended = self._ended()  # before the read, so that nothing written is missed
                *whole, rest = (rest + log.read()).split(b"\n")
                yield from (line.decode(errors="replace") for line in whole)
                if ended:
                    break
                yield None
                time.sleep(poll_s)
        if rest:
            yield rest.decode(errors="replace")

    def finish(self) -> int:
        """Wait for the leader, end whatever it left running, and return its exit status."""
        self._child.wait()
        self._sweep()
        return self._child.returncode

    def terminate(self, grace_s: float) -> None:
        """Ask every process of the group to end, and end what is left after the grace.

        The leader is often the first to end: the others have the whole grace too.

        Args:
            grace_s: Seconds between SIGTERM and SIGKILL.
        """
        if self._child.stdin is not None and not self._child.stdin.closed:
            self._child.stdin.close()
        if not self._ended():
            _signal(self.identity.pid, signal.SIGTERM)
            deadline = time.monotonic() + grace_s
            while not self._gone() and time.monotonic() < deadline:
                time.sleep(0.05)
            _signal(self.identity.pid, signal.SIGKILL)
        self.finish()

    def _ended(self) -> bool:
        return self._child.poll() is not None

    def _gone(self) -> bool:
        return self._ended() and not _members(self.identity)

    def _sweep(self) -> None:
        """End what outlived the leader: its group, and what left the group with the token."""
        _signal(self.identity.pid, signal.SIGKILL)  # also what has no token: an emptied environment
        if _members(self.identity):
            end_orphan(self.identity)


def end_orphan(identity: Identity) -> int:
    """End every process of a group whose starter may be gone; return how many there were.

    A process is ended when it carries the group's token, or when it is the leader itself: same
    id and same start. A stranger to whom the system gave the leader's old id is neither.
    """
    ended = 0
    for _ in range(10):  # a process may start another one while we look
        members = _members(identity)
        if not members:
            break
        ended += len(members)
        for pid in members:
            _kill(pid)
        _wait_gone(identity, 1.0)
    return ended


def _members(identity: Identity) -> tuple[int, ...]:
    import psutil

    mark = f"{TOKEN}={identity.token}".encode()
    others = (pid for pid in psutil.pids() if pid != os.getpid())
    return tuple(
        pid
        for pid in others
        if mark in _environment(pid) or (pid == identity.pid and _same_start(identity))
    )


def _environment(pid: int) -> bytes:
    """Return the environment a process was started with; empty when it is not ours to read."""
    proc = Path(f"/proc/{pid}")
    try:
        if proc.exists():
            return (proc / "environ").read_bytes()
    except OSError:
        return b""
    import psutil

    try:
        pairs: Mapping[str, str] = psutil.Process(pid).environ()
    except (psutil.Error, OSError):
        return b""
    return "\0".join(f"{key}={value}" for key, value in pairs.items()).encode()


def _same_start(identity: Identity) -> bool:
    # The system derives the time from its boot time, which a clock adjustment can move a little.
    return abs(_started(identity.pid) - identity.started) < 2.0


def _started(pid: int) -> float:
    """Return when a process started, in seconds since the epoch; 0 when it does not run."""
    import psutil

    try:
        process = psutil.Process(pid)
        return 0.0 if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return 0.0


def _wait_gone(identity: Identity, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while _members(identity) and time.monotonic() < deadline:
        time.sleep(0.02)


def _signal(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _missing(program: str, cwd: Path) -> TerminalError:
    if not cwd.is_dir():
        return TerminalError(f"{cwd} is not a folder", reason="FolderMissing")
    return TerminalError(
        f"`{program}` is not installed or not on PATH",
        reason="ProgramMissing",
        hint=f"install {program}",
    )
