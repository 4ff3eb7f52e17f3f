"""The webhook: a forge's post says that something was pushed. It is a hint, and only wakes.

Who posts is a stranger until the signature has been checked. So a connection has a deadline and
an allowance of bytes, there are few at a time, a body's size is known before any of it is read,
and nothing that was sent is printed, kept or sent back.
"""

from __future__ import annotations

import io
import os
import re
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.client import LineTooLong
from http.server import BaseHTTPRequestHandler
from typing import Any

from reconciler.adapters.pace import Pace
from reconciler.core.signature import genuine
from reconciler.errors import UsageError

#: The environment variable of the secret that forge and daemon share.
SECRET = "RECONCILER_WEBHOOK_SECRET"  # noqa: S105  a name, not a secret

#: GitHub, Gitea and Forgejo sign the body; GitLab sends the secret.
_SIGNATURE, _TOKEN = "X-Hub-Signature-256", "X-Gitlab-Token"
_PATHS = ("/", "/webhook")
_BODY = 1 << 20
_HEAD = 32 << 10
_CONNECTIONS = 16
_DEADLINE_S = 5.0
_EVERY_S = 1.0
_TICK_S = 0.1
_FREE_S = 0.5  # how long a post waits for one of the connections
_LINGER_S = 0.5
_LENGTH = re.compile(r"[0-9]{1,18}")


def secret(environ: Mapping[str, str]) -> bytes:
    """Return the secret that posts are checked by.

    Raises:
        UsageError: There is none; without it anybody could post.
    """
    found = environ.get(SECRET, "").strip()
    if not found:
        raise UsageError(
            f"--webhook-port needs the secret that the forge signs with, in {SECRET}",
            reason="NoSecret",
            hint="make one with `openssl rand -hex 32`, and give the same to the forge",
        )
    return os.fsencode(found)


@contextmanager
def receiving(
    port: int,
    wake: Callable[[], object],
    secret: bytes,
    host: str = "127.0.0.1",
    deadline_s: float = _DEADLINE_S,
) -> Iterator[int]:
    """Take posts for the length of the block, and give the port. Afterwards nothing wakes.

    Args:
        port: Where to listen; 0: at any that is free.
        wake: Called when a genuine post has come, at most once a second, the last never lost;
            by another thread, and quick.
        secret: What posts are checked by.
        host: The address to listen at; by default none but this machine reaches it.
        deadline_s: Seconds that one connection may take.

    Raises:
        UsageError: It cannot listen there.
    """
    server = _listening(host, port, Pace(wake, _EVERY_S), secret, deadline_s)
    loop = threading.Thread(
        target=server.serve_forever, args=(_TICK_S,), name="webhook", daemon=True
    )
    loop.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        loop.join()
        server.end()


def _listening(host: str, port: int, pace: Pace, secret: bytes, deadline_s: float) -> _Server:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return _Server(family, address, pace, secret, deadline_s)
    except (OSError, OverflowError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"the webhook cannot listen at port {port} of {host}: {said}",
            reason="CannotListen",
            hint="choose another with --webhook-port (and --webhook-host)",
        ) from error


class _Server(socketserver.TCPServer):
    """Accepts connections, each handled by a thread of its own, and few at a time."""

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(
        self, family: int, address: Any, pace: Pace, secret: bytes, deadline_s: float
    ) -> None:
        self.address_family = family
        self.pace = pace
        self.secret = secret
        self.deadline_s = deadline_s
        self._free = threading.BoundedSemaphore(_CONNECTIONS)
        self._open: set[socket.socket] = set()  # changed under the lock
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def service_actions(self) -> None:
        self.pace.tick()

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(timeout=_FREE_S):
            with suppress(OSError):
                request.send(b"HTTP/1.0 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
            self.shutdown_request(request)
            return
        with self._lock:
            self._open.add(request)
        threading.Thread(
            target=self._serve, args=(request, client_address), name="webhook-post", daemon=True
        ).start()

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        try:
            with suppress(OSError):  # whoever called has gone
                self.finish_request(request, client_address)
        finally:
            with self._lock:
                self._open.discard(request)
            self.shutdown_request(request)
            self._free.release()

    def end(self) -> None:
        """Close the socket and every connection, and wait for their threads."""
        self.server_close()
        with self._lock:
            for request in self._open:
                with suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)
        until = time.monotonic() + _LINGER_S * 2
        for _ in range(_CONNECTIONS):
            self._free.acquire(timeout=max(0.0, until - time.monotonic()))


class _Stream(io.RawIOBase):
    """What a caller sends, until its time or its allowance is used up."""

    def __init__(self, connection: socket.socket, until: float) -> None:
        self._connection = connection
        self._until = until
        self.allowance = _HEAD
        """Bytes that it may still send."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if not self.allowance:
            raise LineTooLong("head")
        self._connection.settimeout(left)
        size = self._connection.recv_into(buffer, min(len(buffer), self.allowance))
        self.allowance -= size
        return size


class _Handler(BaseHTTPRequestHandler):
    """Answers one post of one connection."""

    server: _Server

    def setup(self) -> None:
        super().setup()
        self._stream = _Stream(self.connection, time.monotonic() + self.server.deadline_s)
        self.rfile = io.BufferedReader(self._stream)

    def handle(self) -> None:
        try:
            super().handle()
        except LineTooLong:
            self._answer(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def do_POST(self) -> None:
        """Wake when the post is genuine."""
        refused = self._refused()
        if refused is not None:
            self._answer(refused)
            return
        length = int(self.headers["Content-Length"])
        self._stream.allowance = length
        try:
            body = self.rfile.read(length)
        except TimeoutError:
            self._answer(HTTPStatus.REQUEST_TIMEOUT)
            return
        if len(body) < length:
            self._answer(HTTPStatus.BAD_REQUEST)
        elif not genuine(self.server.secret, body, *self._claims()):
            self._answer(HTTPStatus.FORBIDDEN)
        else:
            if self.headers.get("X-GitHub-Event") != "ping":
                self.server.pace.hint()
            self._answer(HTTPStatus.OK)

    def do_GET(self) -> None:
        """Say that only posts are taken."""
        found = self.path.partition("?")[0] in _PATHS
        self._answer(HTTPStatus.METHOD_NOT_ALLOWED if found else HTTPStatus.NOT_FOUND)

    def _refused(self) -> HTTPStatus | None:
        """Return why the body is not worth reading; None: it is."""
        lengths = set(self.headers.get_all("Content-Length", ()))
        if self.path.partition("?")[0] not in _PATHS:
            return HTTPStatus.NOT_FOUND
        if "Transfer-Encoding" in self.headers or not lengths:
            return HTTPStatus.LENGTH_REQUIRED
        length = lengths.pop()
        if lengths or not _LENGTH.fullmatch(length):
            return HTTPStatus.BAD_REQUEST
        if int(length) > _BODY:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        return None if any(self._claims()) else HTTPStatus.FORBIDDEN

    def _claims(self) -> tuple[str | None, str | None]:
        return self.headers.get(_SIGNATURE), self.headers.get(_TOKEN)

    def _answer(self, status: HTTPStatus) -> None:
        """Say no more than the status: no version, no reason, nothing of what was sent."""
        text = f"{status.value} {status.phrase}\n"
        allow = "Allow: POST\r\n" if status is HTTPStatus.METHOD_NOT_ALLOWED else ""
        head = f"HTTP/1.0 {status.value} {status.phrase}\r\n{allow}Content-Type: text/plain\r\n"
        said = f"{head}Content-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}"
        self.connection.settimeout(_LINGER_S)
        self.connection.sendall(said.encode())
        if status is not HTTPStatus.OK:
            self._linger()

    def _linger(self) -> None:
        """Let what is still being sent arrive nowhere: a closed door would swallow the answer."""
        self.connection.shutdown(socket.SHUT_WR)
        until = time.monotonic() + _LINGER_S
        while time.monotonic() < until and self.connection.recv(1 << 16):
            pass

    def send_error(self, code: int, *_: str | None) -> None:
        """Answer with a status alone: the library's own page would repeat what was sent."""
        self._answer(HTTPStatus(code))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the library's word
        """Print nothing: a stranger would fill the log."""
