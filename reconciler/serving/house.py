"""The house: the versions that answer now, and how they give way to others.

A request takes what stands at its moment and keeps it to its end: what is replaced meanwhile goes
on answering it, and is gone from memory with the last of its requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.errors import ReconcilerError
from reconciler.serving.breaker import Breaker
from reconciler.serving.loaded import Loaded
from reconciler.serving.refusal import no_such_model, no_such_version, not_ready
from reconciler.serving.table import Entry, Route, Table

#: Loads a version away from the loop; raises a ReconcilerError where it cannot be served.
Load = Callable[[Entry], Awaitable[Loaded]]


@dataclass(frozen=True, slots=True)
class Standing:
    """What answers for one model; replaced as a whole."""

    route: Route
    champion: Loaded
    challenger: Loaded | None = None
    breaker: Breaker = field(default_factory=Breaker)

    def version(self, number: str) -> Loaded:
        """Return the version called `number`; Refused where it is not served."""
        for loaded in (self.champion, self.challenger):
            if loaded is not None and loaded.version == number:
                return loaded
        raise no_such_version(self.route.model, number)


@dataclass(frozen=True, slots=True)
class Failure:
    """A version that the record wants served, and that cannot be loaded."""

    entry: Entry
    reason: str
    message: str
    since: str = ""
    """Of the rollout that wanted it, see `Route`."""


class House:
    """Follows tables; used by the loop's thread alone.

    Args:
        load: Where versions come from.
        changed: Told after each change of what is served.
        begins: Told of each route before it answers by which a rollout takes a step, or ends.
    """

    def __init__(
        self,
        load: Load,
        changed: Callable[[], None] = lambda: None,
        begins: Callable[[Route], None] = lambda _: None,
    ) -> None:
        self._load = load
        self._changed = changed
        self._begins = begins
        self._standings: dict[str, Standing] = {}
        self._failures: dict[str, Failure] = {}
        self._wanted: Table | None = None
        self._stale: set[str] = set()
        """Models that are to be loaded again although nothing about them changed."""
        self._working = False
        self._idle = asyncio.Event()
        """Set while nobody follows a table."""
        self.commit: str | None = None
        """The commit whose records are served, as far as they can be."""
        self.ready = False
        """Whether all of a whole table was gone through."""

    def standing(self, model: str) -> Standing:
        """Return what answers for a model; Refused where nothing does."""
        found = self._standings.get(model)
        if found is None:
            raise self._nobody(model)
        return found

    def standings(self) -> Mapping[str, Standing]:
        """Return what answers, by model."""
        return self._standings

    def failures(self) -> Mapping[str, Failure]:
        """Return what could not be loaded, by model."""
        return self._failures

    def lacking(self) -> Mapping[str, str]:
        """Return why there is nothing to load, by model."""
        return {} if self._wanted is None else self._wanted.lacking

    def _nobody(self, model: str) -> ReconcilerError:
        if (failure := self._failures.get(model)) is not None:
            said = f"version {failure.entry.version}: {failure.reason}"  # the message names files
            return not_ready(f"{model} cannot be served: {said}")
        wanted = self._wanted
        if (why := self.lacking().get(model)) is not None:
            return not_ready(f"{model} is not served yet: {why}")
        if wanted is None or (model in wanted.routes and self._working):
            return not_ready(f"{model:.80} is not loaded yet")
        return no_such_model(model)

    async def follow(self, table: Table, again: frozenset[str] = frozenset()) -> None:
        """Serve what a table says, model by model; a newer one takes over where it comes first.

        It returns once the newest one is served, as far as that is possible.

        Args:
            table: What is to be served.
            again: Models that are loaded anew from disk, whatever is in memory.
        """
        self._wanted = table
        self._stale |= again
        if self._working:
            await self._idle.wait()
            return
        self._working = True
        self._idle.clear()
        try:
            while self._wanted is not None and not await self._bring(self._wanted):
                pass
        finally:
            self._working = False
            self._idle.set()

    async def _bring(self, table: Table) -> bool:
        """Serve a table, and return whether it is still the one that is wanted."""
        for gone in self._standings.keys() - table.routes.keys():
            del self._standings[gone]
        for gone in self._failures.keys() - table.routes.keys():
            del self._failures[gone]
        for model, route in table.routes.items():
            fresh = model in self._stale
            self._stale.discard(model)
            if fresh or self._differs(model, route):
                await self._place(route, fresh=fresh)
                self._changed()
            if table is not self._wanted:
                return False
        self.commit = table.commit
        self.ready = self.ready or table.whole
        self._changed()
        return True

    def _differs(self, model: str, route: Route) -> bool:
        found = self._standings.get(model)
        return found is None or found.route != route or model in self._failures

    async def _place(self, route: Route, *, fresh: bool) -> None:
        self._failures.pop(route.model, None)
        known = self._standings.get(route.model)
        before = None if fresh else known
        champion = await self._version(route, route.champion, before)
        if champion is None:
            return
        challenger = None
        if route.challenger is not None:
            challenger = await self._version(route, route.challenger, before)
        breaker = Breaker()
        if known is not None and _rollout(known.route) == _rollout(route):
            breaker = known.breaker  # what is loaded anew is what has failed
        else:
            self._begins(route)
        self._standings[route.model] = Standing(route, champion, challenger, breaker)

    async def _version(self, route: Route, entry: Entry, before: Standing | None) -> Loaded | None:
        """Return a version, the one in memory if there is; None, and a failure, without."""
        if before is not None:
            for loaded in (before.champion, before.challenger):
                if loaded is not None and loaded.entry == entry:
                    return loaded
        try:
            return await self._load(entry)
        except ReconcilerError as error:
            self._failures[route.model] = Failure(entry, error.reason, error.message, route.since)
            return None

    def status(self) -> dict[str, Any]:
        """Return how each model is served, in JSON's own types."""
        models: dict[str, Any] = {}
        wanted = self._wanted.routes if self._wanted is not None else {}
        for model in sorted(wanted.keys() | self._standings.keys()):
            standing, failure = self._standings.get(model), self._failures.get(model)
            loading = standing is None and failure is None
            models[model] = {
                "state": "loading" if loading else "failed" if failure else "ready",
                "detail": failure.message if failure else "",
                "champion": _loaded(standing.champion) if standing else None,
                "challenger": _challenger(standing) if standing else None,
                "failed": _failed(failure) if failure else None,
            }
        return {"commit": self.commit, "ready": self.ready, "models": models}


def _rollout(route: Route) -> tuple[str | None, str]:
    return route.challenger.digest if route.challenger else None, route.since


def _loaded(loaded: Loaded) -> dict[str, Any]:
    return {
        "version": loaded.entry.version,
        "digest": loaded.digest,
        "loaded_s": round(loaded.load_s, 4),
        "bytes": loaded.size,
    }


def _challenger(standing: Standing) -> dict[str, Any] | None:
    if standing.challenger is None:
        return None
    return {
        **_loaded(standing.challenger),
        "weight": standing.route.weight,
        "mirrored": standing.route.mirrored,
        "tripped": standing.breaker.tripped,
        "since": standing.route.since,
    }


def _failed(failure: Failure) -> dict[str, Any]:
    return {
        "version": failure.entry.version,
        "digest": failure.entry.digest,
        "reason": failure.reason,
        "message": failure.message,
        "since": failure.since,
    }
