"""Answering: which version a request goes to, and what becomes of it.

Whatever a challenger does, the client gets an answer: the champion is asked where it fails.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from reconciler.bundle.predictor import Predictions, Tensors
from reconciler.errors import UsageError
from reconciler.serving.agreement import agree
from reconciler.serving.company import bears
from reconciler.serving.gathering import Gathering
from reconciler.serving.house import House, Standing
from reconciler.serving.loaded import Loaded
from reconciler.serving.refusal import BUSY, Refused, busy, timed_out
from reconciler.serving.stepping import in_task
from reconciler.serving.tallies import Tallies

#: Encodes rows for a version and runs it. It may be called for two versions, in any thread.
Work = Callable[[Loaded], Predictions]
#: Makes tensors of a request's only row; None where that is not easily done, and `Work` tells.
Encode = Callable[[Loaded], Tensors | None]

_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class Ask:
    """One request for predictions."""

    model: str
    version: str | None
    """None: as the record divides the requests; a version that is named is asked, and counts in
    no rollout."""
    key: str
    """The same key gets the same version for as long as a rollout stands at one weight, and the
    challenger for as long as its weight grows."""
    rows: int
    encode: Encode | None = None
    """None: there are several rows, or other requests' rows may not be put to a model with it."""
    probe: bool = False
    """Whether it is asked to see that all is well, and counts nowhere."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of it."""

    loaded: Loaded
    """The version that has answered."""
    predictions: Predictions
    seconds: float


class Observe(Protocol):
    """Told how each request ended that a version was asked."""

    def __call__(self, model: str, version: str, outcome: str, seconds: float, rows: int) -> None:
        """Take in one; `outcome` is `ok`, or the reason of an error."""


class Answering:
    """Answers requests; used by the loop's thread alone.

    Args:
        house: What answers.
        tallies: Where rollouts are counted.
        apart: Runs what takes long, and what only one version's counts are for.
        observe: Told of every request but probes.
        limit_s: Seconds after which no answer is waited for.
        most: Requests that may wait for one that runs apart.
        gathering: Where single rows come together; None: each is asked alone.
    """

    def __init__(
        self,
        house: House,
        tallies: Tallies,
        apart: Executor,
        observe: Observe,
        limit_s: float = 30.0,
        most: int = 256,
        gathering: Gathering | None = None,
    ) -> None:
        self._house = house
        self._tallies = tallies
        self._apart = apart
        self._observe = observe
        self._limit_s = limit_s
        self._most = most
        self._gathering = gathering
        self._waiting = 0
        self._mirrors: set[asyncio.Task[None]] = set()

    async def answer(self, ask: Ask, work: Work) -> Answered:
        """Return the answer of the version that the request falls to.

        Raises:
            Refused: There is no such model or version, it is not ready, or took too long.
            UsageError: The rows are not what the version takes.
        """
        standing = self._house.standing(ask.model)
        if ask.version is not None:
            return await self._champion(standing.version(ask.version), ask, work, counts=False)
        rival = standing.challenger
        counts = not ask.probe
        if rival is None:
            return await self._champion(standing.champion, ask, work, counts=counts, gather=True)
        if standing.breaker.tripped:
            return await self._champion(standing.champion, ask, work, counts=counts)
        if falls(ask, rival.digest, standing.route.weight):
            return await self._challenger(standing, rival, ask, work)
        answered = await self._champion(standing.champion, ask, work, counts=counts)
        if standing.route.mirrored and counts:
            self._mirror(standing, rival, ask, work, answered)
        return answered

    async def _champion(
        self, loaded: Loaded, ask: Ask, work: Work, *, counts: bool, gather: bool = False
    ) -> Answered:
        """Return the answer of a version behind which no other stands.

        Rows are gathered only where there is no second version: the seconds of two are compared.
        """
        began = time.perf_counter()
        try:
            answered = await self._gathered(loaded, ask) if gather else None
            if answered is None:
                answered = await self._ask(loaded, ask, work)
        except (UsageError, Refused) as error:
            self._end(loaded, ask, error.reason, time.perf_counter() - began)
            raise
        except Exception as error:
            if counts:
                self._tallies.of(ask.model, loaded.digest).failed(ask.rows)
            self._end(loaded, ask, "ModelFailed", time.perf_counter() - began)
            message = f"version {loaded.version} of {ask.model} has failed: {_said(error)}"
            raise Refused(500, message, reason="ModelFailed") from error
        if counts:
            self._tallies.of(ask.model, loaded.digest).answered(answered.seconds, ask.rows)
        self._end(loaded, ask, "ok", answered.seconds)
        return answered

    async def _challenger(
        self, standing: Standing, loaded: Loaded, ask: Ask, work: Work
    ) -> Answered:
        """Return the challenger's answer, or the champion's where it has none."""
        began = time.perf_counter()
        try:
            answered = await self._ask(loaded, ask, work, self._limit_s / 2)
        except UsageError as error:  # the client's fault, unless the champion takes the rows
            seconds = time.perf_counter() - began
            behind = await self._champion(standing.champion, ask, work, counts=not ask.probe)
            self._blame(standing, loaded, ask, error, seconds)
            return behind
        except Exception as error:  # noqa: BLE001  whatever it raises, the champion answers
            self._blame(standing, loaded, ask, error, time.perf_counter() - began)
            return await self._champion(standing.champion, ask, work, counts=not ask.probe)
        if not ask.probe:
            self._tallies.of(ask.model, loaded.digest).answered(answered.seconds, ask.rows)
            standing.breaker.note(failed=False)
            if standing.route.mirrored:
                self._mirror(standing, standing.champion, ask, work, answered)
        self._end(loaded, ask, "ok", answered.seconds)
        return answered

    def _blame(
        self, standing: Standing, loaded: Loaded, ask: Ask, error: Exception, seconds: float
    ) -> None:
        """Count a challenger's failure: that much else is waiting is none, and probes count not."""
        if ask.probe or (isinstance(error, Refused) and error.reason == BUSY):
            return
        self._tallies.of(ask.model, loaded.digest).failed(ask.rows)
        standing.breaker.note(failed=True)
        reason = error.reason if isinstance(error, Refused | UsageError) else "ModelFailed"
        self._end(loaded, ask, reason, seconds)

    async def _gathered(self, loaded: Loaded, ask: Ask) -> Answered | None:
        """Return the answer of a run with other requests' rows; None: it is to be asked alone."""
        if (
            self._gathering is None
            or ask.encode is None
            or loaded.slow(1)
            or asyncio.current_task() is not None
            or not self._may_gather(loaded)
        ):
            return None
        tensors = ask.encode(loaded)
        if tensors is None:
            return None
        place = await self._gathering.join(loaded, tensors)
        if place.predictions is None:
            return None
        return Answered(loaded, place.predictions, place.seconds)

    def _may_gather(self, loaded: Loaded) -> bool:
        """Return whether a version bears company; until that is known, nobody waits for it."""
        if loaded.gathers is None:
            loaded.gathers = False

            def learn(seen: asyncio.Future[bool]) -> None:
                loaded.gathers = not seen.cancelled() and seen.result()

            loop = asyncio.get_running_loop()
            loop.run_in_executor(self._apart, bears, loaded).add_done_callback(learn)
        return loaded.gathers

    async def _ask(
        self, loaded: Loaded, ask: Ask, work: Work, limit_s: float | None = None
    ) -> Answered:
        """Ask one version: at once where it is quick, else apart from the loop."""
        if not loaded.slow(ask.rows):
            answered, busy_s = _timed(loaded, work)
        else:
            answered, busy_s = await self._aside(loaded, work, limit_s or self._limit_s)
        if busy_s is not None:
            loaded.took(busy_s, ask.rows)
        return answered

    async def _aside(
        self, loaded: Loaded, work: Work, limit_s: float
    ) -> tuple[Answered, float | None]:
        await in_task()
        if self._waiting >= self._most:
            raise busy()
        loop = asyncio.get_running_loop()
        self._waiting += 1
        # it counts until it ends, waited for or not
        running = self._apart.submit(_timed, loaded, work)
        running.add_done_callback(lambda _: loop.call_soon_threadsafe(self._one_less))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(running), limit_s)
        except TimeoutError as error:
            raise timed_out(limit_s) from error

    def _one_less(self) -> None:
        self._waiting -= 1

    def _mirror(
        self, standing: Standing, rival: Loaded, ask: Ask, work: Work, answered: Answered
    ) -> None:
        """Ask the other version as well, once nobody waits for it, and count whether they agree.

        Where much is waiting already, it is left out: it would cost those who wait.
        """
        if self._waiting < self._most // 4:
            task = asyncio.ensure_future(self._compare(standing, rival, ask, work, answered))
            self._mirrors.add(task)
            task.add_done_callback(self._mirrors.discard)

    async def _compare(
        self, standing: Standing, rival: Loaded, ask: Ask, work: Work, answered: Answered
    ) -> None:
        challenging = rival is standing.challenger
        tally = self._tallies.of(ask.model, (standing.challenger or rival).digest)
        try:
            theirs, _ = await self._aside(rival, work, self._limit_s)
        except Exception:  # noqa: BLE001  nobody waits for it; a challenger's failure counts
            if challenging:
                tally.failed(ask.rows)
                standing.breaker.note(failed=True)
            return
        if challenging:
            tally.answered(theirs.seconds, ask.rows)
            standing.breaker.note(failed=False)
        tally.compared += 1
        tally.disagreed += not agree(
            answered.predictions, theirs.predictions, standing.champion.spread
        )

    def _end(self, loaded: Loaded, ask: Ask, outcome: str, seconds: float) -> None:
        if not ask.probe:
            self._observe(ask.model, loaded.version, outcome, seconds, ask.rows)


def _timed(loaded: Loaded, work: Work) -> tuple[Answered, float | None]:
    """Return a version's answer, and the processor's seconds that it took; None: not measured.

    These tell a slow model, which others that wait for the processor do not make slower. Asking
    for them costs as much as a small model: now and then is enough.
    """
    measured = loaded.due()
    busy_s = time.thread_time() if measured else 0.0
    began = time.perf_counter()
    predictions = work(loaded)
    seconds = time.perf_counter() - began
    answered = Answered(loaded, predictions, seconds)
    return answered, time.thread_time() - busy_s if measured else None


def falls(ask: Ask, digest: str, weight: int) -> bool:
    """Return whether a request falls to a challenger of `weight` per cent.

    Each challenger draws other keys; a key that a small weight gives it, it keeps at a larger one.
    """
    if not 0 < weight < 100:
        return weight >= 100
    drawn = blake2b(f"{ask.model}\0{digest}\0{ask.key}".encode(), digest_size=8).digest()
    return int.from_bytes(drawn, "big") % _PARTS < weight * (_PARTS // 100)


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]:.200}" if lines else type(error).__name__
