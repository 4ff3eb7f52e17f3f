"""A client with a fixed rate: requests are due at even times, and late answers count as late.

Latency is measured from when a request was due, not from when it could be sent: a server that
stalls is told of every request that waited.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Mapping
from typing import Any, cast

import uvloop


class _Line(asyncio.Protocol):
    """One kept connection; one request at a time."""

    def __init__(self) -> None:
        self._got = b""
        self._answer: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, gap, rest = self._got.partition(b"\r\n\r\n")
        if not gap or self._answer is None:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(rest) >= length:
            self._got = rest[length:]
            self._answer.set_result(head[:12])

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError())

    async def ask(self, request: bytes) -> bytes:
        """Return the first line of the answer."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer


def paced(
    port: int, path: str, body: Mapping[str, Any], per_s: float, seconds: float, lines: int = 8
) -> tuple[list[float], int]:
    """Return the latencies in seconds, ascending, and how many requests failed."""
    content = json.dumps(body).encode()
    request = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    ).encode() + content
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(port, request, per_s, seconds, lines))


async def _run(
    port: int, request: bytes, per_s: float, seconds: float, lines: int
) -> tuple[list[float], int]:
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(_Line, "127.0.0.1", port) for _ in range(lines)]
    found: list[float] = []
    failed = 0
    began = time.perf_counter() + 0.1
    gap = lines / per_s

    async def one(line: _Line, place: int) -> None:
        nonlocal failed
        for turn in range(int(seconds / gap)):
            due = began + turn * gap + place / per_s
            early = due - time.perf_counter()
            if early > 0:
                await asyncio.sleep(early)
            first = await line.ask(request)
            found.append(time.perf_counter() - due)
            failed += not first.endswith(b" 200")

    await asyncio.gather(*(one(line, place) for place, (_, line) in enumerate(made)))
    return sorted(found), failed


def share(latencies: list[float], part: float) -> float:
    """Return the latency that `part` (0 to 1) of the requests stay within."""
    return latencies[min(math.ceil(part * len(latencies)), len(latencies)) - 1]
