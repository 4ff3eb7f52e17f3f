"""A git server on this machine, and a line to it that can go silent, dead, or break half-way."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.remotes import answers, free_port


@dataclass(frozen=True)
class Fault:
    """What becomes of connections; each may carry so much, and ends then."""

    silent: bool = False
    """Nothing is ever answered."""
    refused: bool = False
    """Nobody listens."""
    service: bytes = b""
    """Only these connections break: git says first what it wants."""
    up: int | None = None
    """Bytes that go to the server."""
    down: int | None = None
    """Bytes that come from it."""
    deaf: bool = False
    """What the server says after it was told what to do is lost."""


FINE = Fault()


class Wire:
    """Listens on a port and passes on to another; a context manager."""

    def __init__(self, to: int) -> None:
        self.port = free_port()
        self._to = to
        self._fault = FINE
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Wire:
        self.be(FINE)
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def be(self, fault: Fault) -> None:
        """Have a fault from now on; connections that are open break."""
        self._close()
        self._fault = fault
        if not fault.refused:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _close(self) -> None:
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        with self._lock:
            for each in self._open:
                _break(each)
            self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                with self._lock:
                    self._open.add(near)
                threading.Thread(target=self._serve, args=(near, self._fault), daemon=True).start()

    def _serve(self, near: socket.socket, fault: Fault) -> None:
        if fault.silent:
            return
        with contextlib.suppress(OSError):
            first = near.recv(4096)
            far = socket.create_connection(("127.0.0.1", self._to))
            far.sendall(first)
            hit = fault.service in first
            told = threading.Event()
            lost = told if hit and fault.deaf else None
            back = (far, near, fault.down if hit else None, None, lost)
            threading.Thread(target=_pass, args=back, daemon=True).start()
            _pass(near, far, fault.up if hit else None, told, None)


def _pass(
    source: socket.socket,
    to: socket.socket,
    most: int | None,
    told: threading.Event | None,
    lost: threading.Event | None,
) -> None:
    """Pass bytes on until one side ends or the most has passed: then both ends break."""
    passed = 0
    with contextlib.suppress(OSError):
        while data := source.recv(4096):
            if told is not None and len(data) > 4:  # less is good-bye
                told.set()
            if lost is not None and lost.is_set():
                _break(to)
                return
            some = data if most is None else data[: most - passed]
            to.sendall(some)
            passed += len(some)
            if most is not None and passed >= most:
                _break(source)
                _break(to)
                return
        to.shutdown(socket.SHUT_WR)


def _break(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextlib.contextmanager
def git_server(folder: Path, log: Path) -> Iterator[int]:
    """Serve the repositories in a folder to read and write, and give the port."""
    port = free_port()
    argv = ["git", "daemon", "--reuseaddr", "--export-all", "--enable=receive-pack",
            "--listen=127.0.0.1", f"--port={port}", f"--base-path={folder}"]  # fmt: skip
    with log.open("wb") as out:
        server = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        answers(port, lambda: _listens(port), log)
        yield port
    finally:
        server.terminate()
        server.wait(timeout=10)


def _listens(port: int) -> bool:
    socket.create_connection(("127.0.0.1", port)).close()
    return True
