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

from reconciler.errors import TransientError

#: Seconds before a child that ended unasked is started again: at first, and at most.
_FIRST_S, _LONGEST_S = 0.1, 10.0
#: Whoever has run for so long has not failed to start.
_WELL_S = 10.0


class Child:
    """One program, running or about to be.

    Args:
        argv: The program and its arguments.
        env: Its whole environment; None: this process's own.
        pass_fds: Open files that it inherits under their numbers.
        ended: Told with its exit code (negative: a signal) when it has ended unasked.
    """

    def __init__(
        self,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        ended: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._argv = list(argv)
        self._env = None if env is None else dict(env)
        self._fds = tuple(pass_fds)
        self._ended = ended
        try:
            self._process = subprocess.Popen(
                self._argv, env=self._env, pass_fds=self._fds, stdin=subprocess.DEVNULL,
                process_group=0,
            )  # fmt: skip
        except OSError as error:
            message = f"{self._argv[0]} cannot be started: {error.strerror}"
            raise TransientError(message, reason="CannotStart") from error
        self._asked = False
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
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()

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
