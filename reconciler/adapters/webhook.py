"""The webhook: a forge's post says that something was pushed. It is a hint, and only wakes.

Who posts is a stranger until the signature has been checked. So what it may send is bounded, a
body's size is known before any of it is read, and nothing that was sent is printed, kept or sent
back; see `listening` for how long it may take, and for how many may at a time.
"""

from __future__ import annotations

import io
import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.client import LineTooLong
from typing import Any

from reconciler.adapters.listening import Handler, Server, listening
from reconciler.adapters.pace import Pace
from reconciler.core.signature import genuine
from reconciler.errors import UsageError

#: The environment variable of the secret that forge and daemon share.
SECRET = "RECONCILER_WEBHOOK_SECRET"  # noqa: S105  a name, not a secret
HOST = "127.0.0.1"
OPTION = "--webhook-port"

#: GitHub, Gitea and Forgejo sign the body; GitLab sends the secret.
_SIGNATURE, _TOKEN = "X-Hub-Signature-256", "X-Gitlab-Token"
_PATHS = ("/", "/webhook")
_BODY = 1 << 20
_HEAD = 32 << 10
_EVERY_S = 1.0
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
            f"{OPTION} needs the secret that the forge signs with, in {SECRET}",
            reason="NoSecret",
            hint="make one with `openssl rand -hex 32`, and give the same to the forge",
        )
    return os.fsencode(found)


@contextmanager
def receiving(
    port: int, wake: Callable[[], object], secret: bytes, host: str = HOST
) -> Iterator[Server]:
    """Take posts for the length of the block; the server tells its port. Afterwards nothing wakes.

    Args:
        port: Where to listen; 0: at any that is free.
        wake: Called when a genuine post has come, at most once a second, the last never lost;
            by another thread, and quick.
        secret: What posts are checked by.
        host: The address to listen at; by default none but this machine reaches it.

    Raises:
        UsageError: `BadHost`.
        TransientError: `PortTaken`, `PortRefused`.
    """
    pace = Pace(wake, _EVERY_S)

    class Post(_Post):
        key = secret
        hint = pace.hint

    with listening(Post, host, port, OPTION) as server:
        try:
            yield server
        finally:
            pace.end()


class _Stream(io.RawIOBase):
    """What a caller sends, until its allowance is used up."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.allowance = _HEAD
        """Bytes that it may still send."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self.allowance:
            raise LineTooLong("head")
        size = self._connection.recv_into(buffer, min(len(buffer), self.allowance))
        self.allowance -= size
        return size


class _Post(Handler):
    """Answers one post of one connection."""

    key: bytes
    hint: Callable[[], None]

    def setup(self) -> None:
        super().setup()
        self._stream = _Stream(self.connection)
        self.rfile = io.BufferedReader(self._stream)

    def handle(self) -> None:
        try:
            super().handle()
        except LineTooLong:
            self._say(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def do_POST(self) -> None:  # noqa: N802
        """Wake when the post is genuine."""
        refused = self._refused()
        if refused is not None:
            self._say(refused)
            return
        length = int(self.headers["Content-Length"])
        self._stream.allowance = length
        body = self.rfile.read(length)
        if len(body) < length:
            self._say(HTTPStatus.BAD_REQUEST)
        elif not genuine(self.key, body, *self._claims()):
            self._say(HTTPStatus.FORBIDDEN)
        else:
            if self.headers.get("X-GitHub-Event") != "ping":
                self.hint()
            self._say(HTTPStatus.OK)

    def do_GET(self) -> None:  # noqa: N802
        """Say that only posts are taken."""
        found = self.path.partition("?")[0] in _PATHS
        self._say(HTTPStatus.METHOD_NOT_ALLOWED if found else HTTPStatus.NOT_FOUND)

    do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET  # noqa: N815

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

    def _say(self, status: HTTPStatus) -> None:
        """Say no more than the status: no program, no reason, nothing of what was sent."""
        more = {"Allow": "POST"} if status is HTTPStatus.METHOD_NOT_ALLOWED else {}
        self.answer(status, "text/plain", f"{status.value} {status.phrase}\n".encode(), **more)
        if status is not HTTPStatus.OK:
            self._linger()

    def _linger(self) -> None:
        """Let what is still being sent arrive nowhere: a closed door would swallow the answer."""
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(_LINGER_S)
        until = time.monotonic() + _LINGER_S
        while time.monotonic() < until and self.connection.recv(1 << 16):
            pass

    def send_response(self, code: int, message: str | None = None) -> None:
        """Begin an answer, without the header that names a program."""
        self.send_response_only(code, message)

    def send_error(self, code: int, *_: str | None) -> None:
        """Answer with a status alone: the library's own page would repeat what was sent."""
        self.request_version = "HTTP/1.0"  # else a line that was not understood gets no head
        self._say(HTTPStatus(code))
