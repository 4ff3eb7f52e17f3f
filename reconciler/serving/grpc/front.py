"""The front: what every call passes on its way in, and how it ends where it is refused."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol

import grpc
from google.protobuf.message import Message

from reconciler.adapters.tokens import Right
from reconciler.errors import ReconcilerError
from reconciler.serving.grpc.codes import code
from reconciler.serving.http import told
from reconciler.serving.meter import ASKED
from reconciler.serving.refusal import Refused, broken
from reconciler.serving.shop import Shop

#: Status in the log of a call whose client has left.
_LEFT = 499
_log = logging.getLogger(__name__)


class Context(Protocol):
    """One call, as gRPC gives it to a method."""

    def invocation_metadata(self) -> Sequence[tuple[str, str | bytes]] | None:
        """Return what the client has sent beside its request."""
        ...

    def peer(self) -> str:
        """Return where the client is, such as `ipv4:127.0.0.1:4711`."""
        ...

    async def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        """End the call with an error."""
        ...


#: Answers a call, given the bytes of its message.
Method = Callable[[bytes, Context], Awaitable[Message]]


@dataclass(frozen=True, slots=True)
class Front:
    """One method as clients meet it."""

    shop: Shop
    path: str
    """Such as `/inference.GRPCInferenceService/ModelInfer`."""
    right: Right | None
    """What a token has to allow; None: it is open to all."""
    method: Method

    async def answer(self, content: bytes, context: Context) -> Message:
        """Answer a call, or end it with the code and the sentence that say why not."""
        began, bearer = time.perf_counter(), ""
        ASKED.set(None)
        error: ReconcilerError
        try:
            if self.right is not None:
                authorization = metadata(context, "authorization")
                bearer = self.shop.door.check(authorization, address(context), self.right)
            answer = await self.method(content, context)
        except asyncio.CancelledError:  # the client has left, or waits no longer
            self._note(context, _LEFT, began, bearer, "Gone")
            raise
        except ReconcilerError as refused:
            error = refused
        except Exception:  # noqa: BLE001  whatever it is, it is told
            _log.exception("a call could not be answered: this is a bug")
            error = broken()
        else:
            if self.shop.journal.due():
                self._note(context, 200, began, bearer)
            return answer
        self.shop.meter.refused(error.reason)
        status = error.status if isinstance(error, Refused) else 400
        self._note(context, status, began, bearer, error.reason)
        return await context.abort(code(error), told(error))

    def _note(
        self, context: Context, status: int, began: float, bearer: str, reason: str = ""
    ) -> None:
        """Keep a line for the access log, which is one of HTTP's words."""
        given = metadata(context, "x-request-id")
        scope = {
            "method": "GRPC",
            "path": self.path,
            "client": (address(context), 0),
            "headers": [] if given is None else [(b"x-request-id", given)],
        }
        self.shop.journal.note(scope, status, time.perf_counter() - began, bearer, reason)


def metadata(context: Context, name: str) -> bytes | None:
    """Return the first value of a call's metadata called `name`; None without one."""
    for key, value in context.invocation_metadata() or ():
        if key == name:
            return value.encode() if isinstance(value, str) else bytes(value)
    return None


def text(context: Context, name: str) -> str:
    """Return the first value of a call's metadata called `name`; nothing without one."""
    return (metadata(context, name) or b"").decode("latin-1")


def address(context: Context) -> str:
    """Return the address of the client, such as `127.0.0.1` or `::1`; nothing where none is."""
    kind, _, rest = context.peer().partition(":")
    host = rest.rpartition(":")[0] if kind in ("ipv4", "ipv6") else ""
    return host.removeprefix("%5B").removesuffix("%5D").strip("[]")
