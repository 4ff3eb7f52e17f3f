"""A team: a remote behind a server, the clone of a person, and daemons that follow the remote."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.conftest import BIN, Project, new
from tests.hosts import git
from tests.killing.bed import FOLDERS
from tests.remotes import answers, free_port

STUB = Path(__file__).with_name("stub.sh")
How = Literal["alone", "all"]


@dataclass(frozen=True)
class Kill:
    """A daemon that was killed."""

    daemon: str
    at: float
    """Seconds since the epoch."""
    how: How
    """Whether it alone was killed, or all that it had started too."""


@dataclass
class Daemon:
    """A daemon with a state folder of its own."""

    name: str
    process: subprocess.Popen[bytes]
    kills: list[Kill] = field(default_factory=list)


class Team:
    """A repository on a server, and who works with it.

    Args:
        place: An empty folder.
        outputs: What real trainings have left, by alpha; see `killing.bed`.
        intervals_s: How often each daemon looks at the remote; others do every half second.
        training_s: How long a training takes.
    """

    def __init__(
        self, place: Path, outputs: Path, intervals_s: Mapping[str, float], training_s: float
    ) -> None:
        self.place = place
        self.hub = place / "hub.git"
        self.port = free_port()
        self.intervals_s = intervals_s
        self.training_s = training_s
        self.daemons: dict[str, Daemon] = {}
        self.steered: list[str] = []
        """Where records stood after each decision of a person."""
        (place / "home").mkdir()
        self.ada = Project(place / "ada", place / "home")
        self.ada.env |= {
            "PAIR_OUTPUTS": str(outputs),
            "PAIR_STUB": str(STUB),
            "PAIR_STAGES": str(place / "stages.log"),
            "PAIR_PAUSE": str(training_s),
        }
        self._begin()

    def state(self, name: str) -> Path:
        """Return the folder of a daemon's mirror."""
        return self.place / name

    @contextlib.contextmanager
    def at_work(self, *names: str) -> Iterator[None]:
        """Serve the remote and run daemons; in the end nothing of either is left."""
        with serving(self.place, self.port):
            try:
                for name in names:
                    self.start(name)
                yield
            finally:
                for pid in self.processes():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                for daemon in self.daemons.values():
                    daemon.process.wait()

    def start(self, name: str, *options: str, hub: str = "hub.git") -> subprocess.Popen[bytes]:
        """Run a daemon."""
        interval_s = self.intervals_s.get(name, 0.5)
        argv = [
            str(BIN / "reconciler"), "watch",
            "--repo", f"git://127.0.0.1:{self.port}/{hub}", "--branch", "main",
            "--state", str(self.state(name)), "--interval", str(interval_s), "--jobs", "2",
            "--probes-port", "off", "--log-format", "json", *options,
        ]  # fmt: skip
        traced = {"GIT_TRACE2": str(self.place / f"{name}.git"), "PAIR_DAEMON": name}
        with (self.place / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                argv, cwd=self.place, env=self.ada.env | traced, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        kills = self.daemons[name].kills if name in self.daemons else []
        self.daemons[name] = Daemon(name, process, kills)
        return process

    def kill(self, name: str, how: How) -> None:
        """Kill a daemon, alone or with all that it has started."""
        daemon = self.daemons[name]
        daemon.process.kill()
        for pid in self.processes(name) if how == "all" else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        daemon.process.wait()
        daemon.kills.append(Kill(name, time.time(), how))

    def stop(self) -> float:
        """Ask all daemons to end, and return the seconds that the slowest took."""
        began = time.monotonic()
        for daemon in self.daemons.values():
            daemon.process.terminate()
        codes = [daemon.process.wait(30) for daemon in self.daemons.values()]
        assert not any(codes), codes
        return time.monotonic() - began

    def processes(self, name: str | None = None) -> dict[int, str]:
        """Return what daemons have started, and themselves, while it runs; None: of all."""
        marks = {f"PAIR_STAGES={self.ada.env['PAIR_STAGES']}".encode()}
        marks |= {f"PAIR_DAEMON={name}".encode() if name else b"PAIR_DAEMON="}
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    said = (entry / "environ").read_bytes()
                    if all(mark in said for mark in marks):
                        line = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                        found[int(entry.name)] = line.decode()[:200]
        return found

    def push(self, message: str) -> str:
        """Commit what the person has changed, push it, and return the commit."""
        self.ada.reconciler("compile")
        commit = self.ada.commit(message)
        self.ada.git("push", "-q", "origin", "main")
        return commit

    def steer(self, *words: str) -> str:
        """Do as a person who steers from a clone does: fetch, decide, push, and again if outrun.

        Returns:
            What became of it: `done`, or why there was nothing to do.
        """
        for _ in range(30):
            self.records()
            done = self.ada.reconciler(*words, check=False)
            if done.returncode == 2:
                return done.stderr.strip().splitlines()[0]
            assert done.returncode in (0, 1), done.stdout + done.stderr
            if (
                self.ada.call("git", "push", "-q", "origin", "deployed", check=False).returncode
                == 0
            ):
                self.steered.append(self.ada.git("rev-parse", "deployed"))
                return "done"
        raise AssertionError(f"{words}: the daemons were faster thirty times")

    def records(self) -> None:
        """Bring the records to the person's clone as they stand on the remote."""
        if git(self.hub, "for-each-ref", "refs/heads/deployed"):
            self.ada.git("fetch", "-q", "origin", "+deployed:deployed")

    def _begin(self) -> None:
        git(self.place, "init", "-q", "--bare", "-b", "main", str(self.hub))
        git(self.hub, "config", "core.logAllRefUpdates", "always")
        git(self.hub, "config", "gc.auto", "0")
        new(self.ada)
        pipeline = (self.ada.root / "dvc.yaml").read_text()
        for stage in FOLDERS:
            ours = f"reconciler-stage {stage} ${{key}}"
            assert ours in pipeline
            pipeline = pipeline.replace(ours, f'sh "$PAIR_STUB" {stage} ${{key}}')
        self.ada.write("dvc.yaml", pipeline)
        (self.place / "store").mkdir()
        self.ada.call("dvc", "remote", "add", "-q", "-d", "shared", str(self.place / "store"))
        self.ada.git("remote", "add", "origin", str(self.hub))


@contextlib.contextmanager
def serving(base: Path, port: int) -> Iterator[None]:
    """Serve the repositories in a folder: what is killed here kills no server."""
    argv = [
        "git", "daemon", "--reuseaddr", "--export-all", "--enable=receive-pack",
        f"--base-path={base}", "--listen=127.0.0.1", f"--port={port}", str(base),
    ]  # fmt: skip
    log = base / "server.log"
    with log.open("wb") as said:
        server = subprocess.Popen(argv, stdout=said, stderr=said, start_new_session=True)
    try:
        answers(port, lambda: _connects(port), log)
        yield
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def _connects(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
