"""Taking connections from a socket that several workers take them from, each its share.

Whoever is woken first could take all that wait. Here a worker that has connections already leaves
the others a moment for each of them, and takes more at a time only the more it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

#: Seconds that are left to others for each connection held, and at most.
_MOMENT_S, _MOST_S = 0.002, 0.01
#: Seconds until the next try where the system gives no more files.
_PAUSE_S = 0.1
#: Connections held for each more that is taken at a time: a flood is let in within a second.
_FEW = 4


class Taking:
    """Goes on from when it is made; in the loop's thread.

    Args:
        listen: Shared with other workers, and open until all of them are gone.
        make: Makes what a connection is answered by.
        tls: None: in the clear.
        held: Returns how many connections this worker has.
    """

    def __init__(
        self,
        listen: socket.socket,
        make: Callable[[], asyncio.Protocol],
        tls: ssl.SSLContext | None,
        held: Callable[[], int],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listen = listen
        self._make = make
        self._tls = tls
        self._held = held
        self._opening: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        listen.setblocking(False)
        self._wait()

    def close(self) -> None:
        """Take no more; what was taken goes on."""
        self._loop.remove_reader(self._listen)
        if self._timer is not None:
            self._timer.cancel()

    async def wait_closed(self) -> None:
        """Return at once: nothing is left to close."""

    def _wait(self) -> None:
        self._timer = None
        self._loop.add_reader(self._listen, self._woken)

    def _woken(self) -> None:
        self._loop.remove_reader(self._listen)
        held = self._held() + len(self._opening)
        moment_s = min(held * _MOMENT_S, _MOST_S)
        self._timer = self._loop.call_later(moment_s, self._take, 1 + held // _FEW)

    def _take(self, most: int) -> None:
        pause_s = 0.0
        try:
            for _ in range(most):
                connection, _ = self._listen.accept()
                self._open(connection)
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            pass
        except OSError:  # too many open files
            pause_s = _PAUSE_S
        self._timer = self._loop.call_later(pause_s, self._wait)

    def _open(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._connect(connection))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it left, or shook hands with nobody
            await self._loop.connect_accepted_socket(self._make, connection, ssl=self._tls)
