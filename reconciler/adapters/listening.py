"""Listening: a small HTTP server beside other work, which no client can hold up.

One request per connection; each connection ends within seconds, whatever its client does.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from reconciler.adapters import binding

_POLL_S = 0.25
_LONGEST_S = 5.0
_MOST = 32


class Handler(BaseHTTPRequestHandler):
    """Answers in plain text, logs nothing, and does not say by what it was made."""

    timeout = _LONGEST_S
    command = ""
    request_version = "HTTP/1.0"
    """What holds until a first line is read: an answer may be due before."""
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(code)d %(explain)s\n"

    def answer(self, code: int, content_type: str, body: bytes, **headers: str) -> None:
        """Send a whole response; without its body where only the head was asked for."""
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        """Return what stands in the header `Server`."""
        return "reconciler"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing: whoever probes does so every few seconds."""


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Serves each connection in a thread; the oldest one ends where too many are open."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, family: socket.AddressFamily, address: Any, handler: type[Handler]) -> None:
        self.address_family = family
        self._open: dict[socket.socket, float] = {}
        """Connections and when they began, in seconds of the monotonic clock; oldest first."""
        self._lock = threading.Lock()
        super().__init__(address, handler)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """Where it is reached, such as `http://127.0.0.1:9464`."""
        host = str(self.server_address[0])
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own."""
        with self._lock:
            self._open[request] = time.monotonic()
            for connection in list(self._open)[:-_MOST]:
                _cut(connection)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection that is served."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """End connections that take too long; the loop calls this every quarter of a second."""
        self.end(older_than_s=_LONGEST_S)

    def end(self, older_than_s: float) -> None:
        """End the connections that are older."""
        began = time.monotonic() - older_than_s
        with self._lock:
            for connection, since in self._open.items():
                if since <= began:
                    _cut(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that are gone; anything else is a bug, and shows."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def listening(handler: type[Handler], host: str, port: int, option: str) -> Iterator[Server]:
    """Serve HTTP for the length of the block; it is over within a second.

    Args:
        handler: Answers one request.
        host: A name or address of this machine; `127.0.0.1` is reached from here alone.
        port: 0: any that is free.
        option: How people choose the port, such as `--probes-port`.

    Raises:
        UsageError: `BadHost`: this machine has no such address.
        TransientError: `PortTaken`, or `PortRefused` to who runs this.
    """
    server = _bound(handler, host, port, option)
    thread = threading.Thread(
        target=server.serve_forever, args=(_POLL_S,), name=option.strip("-"), daemon=True
    )
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        server.end(older_than_s=0)
        thread.join()


def _bound(handler: type[Handler], host: str, port: int, option: str) -> Server:
    return binding.at(host, port, option, lambda family, where: Server(family, where, handler))


def _cut(connection: socket.socket) -> None:
    """End a connection under whoever reads or writes it; that thread closes it."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
