"""Children: programs that are kept running, each started again when it ends unasked.

Each is the first of a process group of its own, so that Ctrl-C in a terminal reaches its parent
alone, which ends it in its turn.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from reconciler.errors import TransientError

#: Seconds before a child that ended unasked is started again: at first, and at most.
_FIRST_S, _LONGEST_S = 0.1, 10.0
#: Whoever has run for so long has not failed to start.
_WELL_S = 10.0
#: What it said last is listened to for so long: what it has started may have the same pipe open.
_LAST_WORDS_S = 0.2


class Child:
    """One program, running or about to be.

    Args:
        argv: The program and its arguments.
        env: Its whole environment; None: this process's own.
        pass_fds: Open files that it inherits under their numbers.
        ended: Told with its exit code (negative: a signal) when it has ended unasked.
        heard: Told each line that it writes, to its standard output or as errors; None: these are
            this process's own.
        folder: Where it runs; None: here.
    """

    def __init__(
        self,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        ended: Callable[[int], None] = lambda _: None,
        heard: Callable[[bytes], None] | None = None,
        folder: Path | None = None,
    ) -> None:
        self._ended = ended
        try:
            self._process = subprocess.Popen(
                list(argv),
                env=None if env is None else dict(env),
                pass_fds=tuple(pass_fds),
                stdin=subprocess.DEVNULL,
                stdout=None if heard is None else subprocess.PIPE,
                stderr=None if heard is None else subprocess.STDOUT,
                process_group=0,
                cwd=folder,
            )
        except OSError as error:
            message = f"{argv[0]} cannot be started: {error.strerror}"
            raise TransientError(message, reason="CannotStart") from error
        self._asked = False
        self._hearing = threading.Thread(target=self._hear, args=(heard,), daemon=True)
        self._hearing.start()
        threading.Thread(target=self._wait, name=f"child-{self.pid}", daemon=True).start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def alive(self) -> bool:
        """Return whether it runs."""
        return self._process.poll() is None

    def ask_to_end(self) -> None:
        """Send SIGTERM; nobody is told that it ended then."""
        self._asked = True
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def end(self, grace_s: float) -> None:
        """Have it end within `grace_s` seconds, by SIGKILL of its group after that."""
        self.ask_to_end()
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self._hearing.join(_LAST_WORDS_S)

    def kill(self) -> None:
        """Have it, and what runs in its process group, end now."""
        self._asked = True
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def _hear(self, heard: Callable[[bytes], None] | None) -> None:
        if heard is None or self._process.stdout is None:
            return
        with self._process.stdout as stream:
            for line in stream:
                heard(line.rstrip(b"\n"))

    def _wait(self) -> None:
        code = self._process.wait()
        if not self._asked:
            self._ended(code)


class Patience:
    """How long to wait before what has ended is started again.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pause_s = 0.0
        self._began = clock()

    def began(self) -> None:
        """Take note that it was started."""
        self._began = self._clock()

    def pause_s(self) -> float:
        """Return the seconds to wait, twice as long each time it ended soon after its start."""
        well = self._clock() - self._began >= _WELL_S
        self._pause_s = _FIRST_S if well or not self._pause_s else self._pause_s * 2
        self._pause_s = min(self._pause_s, _LONGEST_S)
        return self._pause_s


class Kept:
    """A program that is kept running until it is to end.

    Args:
        start: Starts it, and has the function that it gets told when it has ended.
        ended: Told of each end that nobody asked for: the process id, the exit code (negative: a
            signal), and the seconds until it is started again.
    """

    def __init__(
        self,
        start: Callable[[Callable[[int], None]], Child],
        ended: Callable[[int, int, float], None],
    ) -> None:
        self._start = start
        self._told = ended
        self._patience = Patience()
        self._ending = threading.Event()
        self._turn = threading.Lock()  # so that none is started once it is to end
        self._patience.began()
        self._child = start(self._again)

    def end(self, grace_s: float) -> None:
        """Have it end within so many seconds, by force after that, and start it no more."""
        self.ask_to_end()
        self._child.end(grace_s)

    def ask_to_end(self) -> None:
        """Start it no more, and send it SIGTERM; a second time too."""
        self._ending.set()
        with self._turn:
            self._child.ask_to_end()

    def end_now(self) -> None:
        """Have it end at once; it waits for no lock, so that the handler of a signal may call it.

        What was asked before gets a second SIGTERM, on which it takes down what it has started.
        """
        self._ending.set()
        self._child.ask_to_end()

    def _again(self, code: int) -> None:
        pause_s = self._patience.pause_s()
        self._told(self._child.pid, code, pause_s)
        while not self._ending.wait(pause_s):
            with self._turn:
                if self._ending.is_set():
                    return
                self._patience.began()
                try:
                    self._child = self._start(self._again)
                except TransientError:  # the system has no room for another process just now
                    pause_s = self._patience.pause_s()
                else:
                    return
