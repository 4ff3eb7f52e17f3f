"""The server: follows the records and has its workers serve what they say."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from reconciler.adapters.snapshot import Snapshot
from reconciler.errors import ReconcilerError
from reconciler.serving import summary, unforeseen
from reconciler.serving.crew import Crew
from reconciler.serving.settings import RELOAD_S
from reconciler.serving.stock import Stock
from reconciler.serving.table import Table


class Records(Protocol):
    """Where the records are read."""

    def read(self) -> Snapshot:
        """Return the records as they stand now."""
        ...


#: Told what happened: a CamelCase word and a sentence.
Tell = Callable[[str, str], None]

#: Hints that come this close together are one: a commit moves several files.
_DEBOUNCE_S = 0.01
#: Seconds after which a look that went wrong is taken again, without a hint; doubled each time, and
#: never more than between two looks.
_PAUSE_S = 1.0


class Server:
    """One thread follows the records; see `follow`.

    Args:
        records: Where the records are read.
        stock: Where tables come from.
        crew: Who serves them.
        tell: Told what is wrong.
        ready: Told, once, that all workers serve what is released and can be had: how many models,
            and of how many.
        interval_s: Seconds between two looks without a hint; every byte is looked at then.
    """

    def __init__(
        self,
        records: Records,
        stock: Stock,
        crew: Crew,
        tell: Tell,
        ready: Callable[[int, int], None],
        interval_s: float,
    ) -> None:
        self._records = records
        self._stock = stock
        self._crew = crew
        self._tell = tell
        self._ready = ready
        self._first = threading.Lock()  # taken, and kept, by who tells
        self._interval_s = interval_s
        self._hint = threading.Event()
        self._ended = False
        self._table: Table | None = None
        self._said: dict[str, str] = {}
        """What was told of each model, and under the empty name of the records."""
        self._behind: ReconcilerError | None = None
        """Why the last look went wrong; None: it did not."""
        self._wrong = 0
        """How many looks have gone wrong in a row."""
        self._hurry: Callable[[], None] = lambda: None
        self._turn = threading.Condition()
        self._asked: dict[str, bool] = {}
        """Models that are asked to be looked at, and whether to be loaded anew as well."""
        self._anew: set[str] = set()
        """Models that are loaded anew once their bundles are here."""
        self._began = self._ended_looks = 0
        """How many looks have begun and ended."""
        self._thread = threading.Thread(target=self._follow, name="records", daemon=True)

    def start(self) -> None:
        """Begin to follow; nothing is done where that was begun."""
        if not self._thread.is_alive() and not self._ended:
            self._thread.start()

    def wake(self) -> None:
        """Have the records looked at soon: they may have changed. From any thread, at once."""
        self._hint.set()

    def end(self) -> None:
        """Follow no more."""
        self._ended = True
        self._hint.set()
        self._stock.end()
        if self._thread.is_alive():
            self._thread.join(1.0)

    def hurried_by(self, hurry: Callable[[], None]) -> None:
        """Have `hurry` called when somebody asks for a model: what he knows of may be far away."""
        self._hurry = hurry

    def reload(self, model: str, unless: str | None = None) -> dict[str, Any] | None:
        """Have a model's bundle verified, restored where it is damaged, and loaded anew.

        Args:
            model: Its name.
            unless: Nothing is loaded where the bundle of this digest answers already.

        Returns:
            How it is served then, and under `done` whether that was waited for to the end; None
            where no record has it.
        """
        until = time.monotonic() + RELOAD_S
        self._hurry()
        done = self._looked_at(model, unless is None, until)
        if unless is not None and not self._answers(model, unless):
            done = self._looked_at(model, True, until)
        found = self.status()["models"].get(model)
        return None if found is None else {"model": model, "done": done, **found}

    def _looked_at(self, model: str, anew: bool, until: float) -> bool:
        """Wait for a look at a model; False: it takes longer."""
        with self._turn:
            self._asked[model] = anew or self._asked.get(model, False)
            number = self._began + 1
            self._hint.set()
            left = until - time.monotonic()
            if not self._turn.wait_for(lambda: self._has_looked(number, model), left):
                return False
        return self._crew.settle(max(until - time.monotonic(), 0.0))

    def _has_looked(self, number: int, model: str) -> bool:
        """Return whether a look is over, and so is what it has had fetched for a model."""
        return self._ended_looks >= number and model not in self._stock.coming

    def _answers(self, model: str, digest: str) -> bool:
        found = [house.get("models", {}).get(model) for house in self._crew.loaded()]
        champions = [(one or {}).get("champion") or {} for one in found]
        return bool(found) and all(champion.get("digest") == digest for champion in champions)

    def heard(self) -> None:
        """Take in that a worker has said what it serves."""
        if self._all_ready(self._crew.loaded()) and self._first.acquire(blocking=False):
            models = self.status()["models"].values()
            self._ready(sum(model["champion"] is not None for model in models), len(models))

    def status(self) -> dict[str, Any]:
        """Return how models are served, as what differs among workers is summed up."""
        every = self._crew.loaded()
        houses = [house for house in every if house]
        commits = {house["commit"] for house in houses}
        return {
            "commit": commits.pop() if len(commits) == 1 else None,
            "behind": "" if (why := self._behind) is None else f"{why.reason}: {why}",
            "ready": self._all_ready(every),
            "workers": len(houses),
            "models": summary.models(houses, self._stock),
            "boots": self._crew.counts(),
        }

    @staticmethod
    def _all_ready(houses: list[dict[str, Any]]) -> bool:
        return bool(houses) and all(house and house["ready"] for house in houses)

    def _follow(self) -> None:
        looked = float("-inf")
        while not self._ended:
            full = time.monotonic() - looked >= self._interval_s
            if full:
                looked = time.monotonic()
            with self._turn:
                asked, self._asked = self._asked, {}
                self._began += 1
            self._behind = self._looked(asked, verify=full and self._table is not None)
            self._wrong = 0 if self._behind is None else self._wrong + 1
            with self._turn:
                self._ended_looks = self._began
                self._turn.notify_all()
            due = looked + self._interval_s - time.monotonic()
            if self._hint.wait(max(min(due, self._pause_s()), 0.0)):
                time.sleep(_DEBOUNCE_S)
            self._hint.clear()

    def _pause_s(self) -> float:
        """Return the seconds until a look that went wrong is taken again, or a fetch is overdue."""
        if self._wrong:
            return float(_PAUSE_S * 2 ** min(self._wrong - 1, 10))
        due = self._stock.due_s()
        return self._interval_s if due is None else due

    def _looked(self, asked: Mapping[str, bool], *, verify: bool) -> ReconcilerError | None:
        """Take a look, and return why it went wrong, having told so; None: it did not."""
        try:
            self._look(asked, verify=verify)
        except Exception as error:  # noqa: BLE001  the one guard of this thread: nobody else follows
            self._table = None  # who knows how far it came: all is gone through again
            why = unforeseen.known(error)
            self._say("", why.reason, f"the records are not followed at the moment: {why}")
            return why
        self._said.pop("", None)
        return None

    def _look(self, asked: Mapping[str, bool], *, verify: bool) -> None:
        table = self._stock.table(self._records.read(), verify=verify, of=asked)
        wrong = {
            **{n: ("FetchOverdue", str(c)) for n, c in self._stock.coming.items() if c.overdue},
            **{n: (t.reason, t.message) for n, t in self._stock.troubles.items()},
        }
        for name, (reason, message) in wrong.items():
            self._say(name, reason, f"{name}: {message}")
        for name in self._said.keys() - wrong.keys() - {""}:
            del self._said[name]
        self._anew.update(model for model, anew in asked.items() if anew)
        again = frozenset(self._anew - self._stock.coming.keys())
        self._anew -= again
        if table != self._table or self._stock.troubles or again or (verify and self._failed()):
            self._table = table
            self._crew.serve(table, again)

    def _failed(self) -> bool:
        """Return whether a worker could not load what it was to serve: it may be there by now."""
        models = [one for house in self._crew.loaded() for one in house.get("models", {}).values()]
        return any(one["failed"] for one in models)

    def _say(self, what: str, reason: str, message: str) -> None:
        """Tell what is wrong, once."""
        if self._said.get(what) != message:
            self._said[what] = message
            self._tell(reason, message)
