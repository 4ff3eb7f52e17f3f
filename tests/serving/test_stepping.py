"""What a coroutine waits for it is told, also where a task was made of it half way."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from reconciler.serving.stepping import resumed


def resume(work: Coroutine[Any, Any, str]) -> asyncio.Task[str]:
    """Step a coroutine to where it waits, and return the task of what is left."""
    return asyncio.ensure_future(_rest(work, work.send(None)))


async def _rest(work: Coroutine[Any, Any, str], waits: Any) -> str:
    return await resumed(work, waits)


async def waiting(*several: asyncio.Future[str]) -> str:
    said = []
    for one in several:
        try:
            said.append(await one)
        except ValueError as error:
            said.append(f"caught {error}")
        except asyncio.CancelledError:
            said.append("cancelled")
    return ", ".join(said)


@pytest.mark.parametrize("failing", [(), (0,), (1,), (0, 1)])
def test_an_error_of_what_is_waited_for_reaches_who_waits(failing: tuple[int, ...]) -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        several: list[asyncio.Future[str]] = [loop.create_future() for _ in range(2)]
        task = resume(waiting(*several))
        wanted = []
        for number, one in enumerate(several):
            await asyncio.sleep(0)
            if number in failing:
                one.set_exception(ValueError(number))
                wanted.append(f"caught {number}")
            else:
                one.set_result("done")
                wanted.append("done")
        assert await task == ", ".join(wanted)

    asyncio.run(test())


def test_who_waits_is_told_that_it_is_cancelled_and_may_go_on() -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        first: asyncio.Future[str] = loop.create_future()
        second: asyncio.Future[str] = loop.create_future()
        task = resume(waiting(first, second))
        await asyncio.sleep(0)
        task.cancel()
        second.set_result("done")
        assert await task == "cancelled, done"

    asyncio.run(test())


def test_an_error_that_is_not_caught_is_the_task_s() -> None:
    async def careless(one: asyncio.Future[str]) -> str:
        return await one

    async def test() -> None:
        one: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        task = resume(careless(one))
        one.set_exception(ValueError("why"))
        with pytest.raises(ValueError, match="why"):
            await task

    asyncio.run(test())
