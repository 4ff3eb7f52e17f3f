"""Probes: `/livez`, `/readyz` and `/metrics` over HTTP, for whoever runs the daemon."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from reconciler.adapters.listening import Handler, Server, listening
from reconciler.errors import TransientError

#: Where exporters of OpenTelemetry listen by default, so that it is known and seldom taken.
PORT = 9464
HOST = "127.0.0.1"
OPTION = "--probes-port"


@dataclass(frozen=True, slots=True)
class Answers:
    """What the probes tell; any thread may call it."""

    lifeless: Callable[[], Sequence[str]]
    """What has died or is stuck, in sentences; none: all is alive."""
    unready: Callable[[], Sequence[str]]
    """Why it does not do its work now, in sentences; none: it does."""
    metrics: Callable[[str], tuple[str, bytes]]
    """Content type and text, for an `Accept` header."""


@contextmanager
def probing(answers: Answers, host: str = HOST, port: int | None = None) -> Iterator[Server]:
    """Answer probes for the length of the block; the server tells its port.

    Args:
        answers: What they tell.
        host: Where to listen: loopback, unless people ask for more.
        port: 0: any that is free; None: `PORT`, or any that is free where that is taken, as when
            a machine runs a second daemon.

    Raises:
        UsageError: `BadHost`.
        TransientError: `PortTaken`, `PortRefused`.
    """

    class Probe(_Probe):
        told = answers

    with ExitStack() as stack:
        try:
            wanted = PORT if port is None else port
            server = stack.enter_context(listening(Probe, host, wanted, OPTION))
        except TransientError:
            if port is not None:
                raise
            server = stack.enter_context(listening(Probe, host, 0, OPTION))
        yield server


class _Probe(Handler):
    """One request."""

    told: Answers

    def do_GET(self) -> None:  # noqa: N802
        """Answer by path."""
        match self.path.partition("?")[0]:
            case "/livez":
                self._reasons(self.told.lifeless())
            case "/readyz":
                self._reasons(self.told.unready())
            case "/metrics":
                self.answer(200, *self.told.metrics(self.headers.get("Accept", "")))
            case _:
                known = b"there are /livez, /readyz and /metrics\n"
                self.answer(404, "text/plain; charset=utf-8", known)

    do_HEAD = do_GET  # noqa: N815

    def _refuse(self) -> None:
        plain = "text/plain; charset=utf-8"
        self.answer(405, plain, b"only GET and HEAD\n", Allow="GET, HEAD")

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse  # noqa: N815

    def _reasons(self, reasons: Sequence[str]) -> None:
        body = json.dumps({"ok": not reasons, "reasons": list(reasons)}) + "\n"
        self.answer(503 if reasons else 200, "application/json", body.encode())
