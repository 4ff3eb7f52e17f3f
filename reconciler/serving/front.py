"""The front: what every request passes on its way in, and every answer on its way out."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect

from reconciler.errors import ReconcilerError
from reconciler.serving.access import Door, right_of
from reconciler.serving.http import (
    REFUSED,
    Gone,
    Message,
    Receive,
    Scope,
    Send,
    announced,
    refuse,
    too_large,
)
from reconciler.serving.journal import Journal
from reconciler.serving.meter import ASKED, Meter
from reconciler.serving.refusal import broken

App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Status in the log of a request whose client has left.
_LEFT = 499
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Front:
    """Lets requests in, has them answered, and counts and tells how they ended.

    Handlers may raise what they refuse: the client is told here.
    """

    app: App
    most: int
    """Bytes that the body of a request may have."""
    door: Door = field(default_factory=Door)
    meter: Meter = field(default_factory=Meter)
    journal: Journal = field(default_factory=Journal)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; see the ASGI specification."""
        began = time.perf_counter()
        ASKED.set(None)
        REFUSED.set(None)
        path: str = scope["path"]
        bearer, status = "", 200
        try:
            bearer = self.door.admit(scope, right_of(path))
            if path.startswith("/predict/") or (
                path.startswith("/v2/models/") and path.endswith("/infer")
            ):  # whoever answers these refuses by `refuse` alone, and reads what it may
                await self.app(scope, receive, send)
            else:
                status = await self._apart(scope, receive, send)
        except ReconcilerError as error:
            bearer = bearer or getattr(error, "bearer", "")
            await refuse(scope, send, error)
        except (Gone, ClientDisconnect):
            REFUSED.set((_LEFT, "Gone"))
        except Exception:  # noqa: BLE001  the one guard: a client gets an answer, the log the bug
            _log.exception("a request could not be answered: this is a bug")
            await refuse(scope, send, broken())
        refused = REFUSED.get()
        if refused is None and status >= 400:
            refused = (status, f"Http{status}")
        if refused is not None:
            self.meter.refused(refused[1])
            seconds = time.perf_counter() - began
            self.journal.note(scope, refused[0], seconds, bearer, refused[1])
        elif self.journal.due():
            self.journal.note(scope, status, time.perf_counter() - began, bearer)

    async def _apart(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Answer a request whose body anybody may read, and return the answer's status."""
        status = size = 0

        async def noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        async def capped() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self.most:
                raise too_large(self.most)
            return message

        if announced(scope) > self.most:
            raise too_large(self.most)
        await self.app(scope, capped, noting)
        return status
