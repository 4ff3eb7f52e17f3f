"""Stepping: coroutines that nearly always come to their end without waiting, run without a task."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


class Pause:
    """What a coroutine yields that is to go on within the same turn, outside of tasks."""

    __slots__ = ()


@types.coroutine
def resumed(work: Coroutine[Any, Any, T], waits: Any) -> Generator[Any, Any, T]:
    """Await the rest of a coroutine that has come to a stop at `waits`.

    It is told what comes of that, be it an error or that it is cancelled.
    """
    while True:
        try:
            yield waits
            break
        except BaseException as error:  # noqa: BLE001  whatever it is, it is for `work`
            try:
                waits = work.throw(error)
            except StopIteration as there:
                said: T = there.value
                return said
    ended: T = yield from work
    return ended


async def in_task() -> None:
    """Go on in a task: to be awaited before what asks for the task it runs in, as timeouts do."""
    if asyncio.current_task() is None:
        await asyncio.sleep(0)  # whoever steps this has a task made of what is left
