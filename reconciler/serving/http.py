"""HTTP by hand, for the few paths that every request for predictions takes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import (
    Awaitable,
    Callable,
    Iterable,
    MutableMapping,
)
from contextvars import ContextVar
from typing import Any

import orjson

from reconciler.errors import ReconcilerError, UsageError
from reconciler.serving.fields import BadRows
from reconciler.serving.refusal import Refused
from reconciler.serving.stepping import resumed

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON: Header = (b"content-type", b"application/json")
LENGTH = b"content-length"
#: The header of a request's id, which its answer has, too.
NUMBER = b"x-request-id"
#: The form of an id that is taken over from a client: printable, without blanks.
ID = re.compile(rb"[\x21-\x7e]{1,128}")

#: Status and reason with which the request at hand was refused; None: it was not.
REFUSED: ContextVar[tuple[int, str] | None] = ContextVar("refused", default=None)


class Gone(Exception):  # noqa: N818  no error: there is nobody left to tell
    """The client has left before its request was whole."""


def header(scope: Scope, name: bytes) -> bytes | None:
    """Return the first header called `name`, in lower case; None without one."""
    for known, value in scope["headers"]:
        if known == name:
            found: bytes = value
            return found
    return None


def announced(scope: Scope) -> int:
    """Return the bytes that a request says its body has; 0 where it does not say."""
    said = header(scope, LENGTH)
    return int(said) if said is not None and said.isdigit() else 0


async def body(scope: Scope, receive: Receive, most: int, limit_s: float | None = None) -> bytes:
    """Return the whole body, of which no more than `most` bytes are taken.

    Args:
        scope: The request; `receive` as in the ASGI specification.
        receive: Gives its parts.
        most: Bytes.
        limit_s: Seconds after which it must be there; None: whenever it comes.

    Raises:
        Refused: 413: it is larger, or says that it will be; 408: it came too slowly.
        Gone: The client has left.
    """
    reading = _body(scope, receive, most)
    try:  # nearly always it came with the head: a timer would cost a third of such an answer
        waits = reading.send(None)
    except StopIteration as there:
        whole: bytes = there.value
        return whole
    try:
        async with asyncio.timeout(limit_s):
            return await resumed(reading, waits)
    except TimeoutError as error:
        message = f"the body did not come within {limit_s:g} s"
        raise Refused(408, message, reason="TimedOut") from error


async def _body(scope: Scope, receive: Receive, most: int) -> bytes:
    if announced(scope) > most:
        raise too_large(most)
    message = await receive()
    if message["type"] != "http.request":
        raise Gone
    first: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(first) > most:
            raise too_large(most)
        return first
    parts, size = [first], len(first)
    while message.get("more_body", False):
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise too_large(most)
    return b"".join(parts)


def too_large(most: int) -> Refused:
    """Return the refusal of a body of more than `most` bytes."""
    return Refused(
        413, f"the body is larger than {most} bytes", reason="TooLarge", hint="send fewer rows"
    )


async def answer(send: Send, status: int, content: bytes, headers: Iterable[Header]) -> None:
    """Send a whole response."""
    length = (LENGTH, b"%d" % len(content))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": content})


async def refuse(scope: Scope, send: Send, error: ReconcilerError) -> None:
    """Say why there is no answer: `error` as a sentence, `reason` as a word."""
    status, content, headers = refusal(error)
    asked = header(scope, NUMBER)
    if asked is not None and ID.fullmatch(asked):
        headers.append((NUMBER, asked))
    await answer(send, status, content, headers)


def refusal(error: ReconcilerError) -> tuple[int, bytes, list[Header]]:
    """Return status, body and headers that say why there is no answer, and take note of it."""
    status = error.status if isinstance(error, Refused) else 400
    REFUSED.set((status, error.reason))
    own = error.headers if isinstance(error, Refused) else ()
    retry = [(b"retry-after", b"1")] if status == 503 and not own else []
    said: dict[str, Any] = {"error": told(error), "reason": error.reason}
    if isinstance(error, BadRows):
        said["problems"] = error.plain()
    content = orjson.dumps(said)
    return status, content, [JSON, *retry, *own]


def told(error: ReconcilerError) -> str:
    """Return what a client is told of an error."""
    return error.message if isinstance(error, UsageError) else str(error)
