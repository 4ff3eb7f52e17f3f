"""Following: what is to be looked at, from where the refs stand; an event is but a hint.

One thread does all of it: it waits for a hint or the timer, asks where the refs stand, and has
the models looked at that something has changed for.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import deque
from collections.abc import Callable

from reconciler.controller.board import Board
from reconciler.controller.events import Happened, Listen
from reconciler.controller.passes import guarded, passing, told
from reconciler.controller.sweeping import Sweep
from reconciler.controller.views import View, Views
from reconciler.core.plan import Plan
from reconciler.errors import ReconcilerError, SpecError, TerminalError, TransientError
from reconciler.ports.source import Sighting, Source

#: Hints that come this close together are one: a commit moves several files.
DEBOUNCE_S = 0.01
#: Permissions are looked for this often: they are no ref.
_LATER_S = 2.0

_GONE = "the branch is gone; what it declared last stays in force"
_ABSENT = "there is no such branch, or it has no commit yet; once there is, it is followed"

#: So often in a row, at most, a view is dropped because others have written records meanwhile.
_PATIENCE = 3


class Follower:
    """Keeps the board at the revision that is followed.

    Args:
        source: Where the refs stand.
        views: What is declared and on record there.
        board: Where passes find it.
        changed: Told of the models that something has changed for.
        touch: Told of models whose targets are to be looked at.
        listen: Told what happens.
        interval_s: Seconds between two looks without a hint, give or take a tenth.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        source: Source,
        views: Views,
        board: Board,
        changed: Callable[[set[str]], None],
        touch: Callable[[tuple[str, ...]], None],
        listen: Listen,
        interval_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._views = views
        self._board = board
        self._changed = changed
        self._sweep = Sweep(views, board, touch)
        self._listen = listen
        self._interval_s = interval_s
        self._renew: Callable[[], str | None] = lambda: None
        self._clock = clock
        self._hint = threading.Event()
        self._stopped = False
        self._seen: Sighting | None = None
        self._said: dict[str, str] = {}
        """What was last said to be wrong, by reason, so that it is said once."""
        self._lost = False
        """Whether the refs could not be read when they were last asked for."""
        self._behind: Sighting | None = None
        """Where the records were found to stand before a commit of our own."""
        self._outrun = 0
        """How often in a row others were faster than a look."""
        self._allowed: str | None = None
        self._blind: str | None = None
        self._tick = clock()
        """When the timer is due."""
        self._asks = 1
        """How often a look was asked for; what is asked for meanwhile is not answered by it."""
        self._answered = 0
        self._rests = 0
        """How often all came to rest, and how often that was taken in."""
        self._rested = 0
        self._missed: deque[str] = deque()
        """Models that are to be looked at although they were taken for settled."""
        self._shown: View | None = None
        """The view that was read last; decisions of our own lead on from it."""
        self._remembered: View | None = None
        """The view of which all that is at rest is remembered."""
        self._unpublished = False
        """Whether records are still to be shown to people."""
        self.synced_at: float | None = None
        """When the refs were last found and followed, by the clock; None: not yet."""
        self.beat = clock()
        """When the thread last showed that it is alive."""

    @property
    def trouble(self) -> str | None:
        """What is wrong with the refs or what they name, as a sentence; None: nothing."""
        return next(iter(self._said.values()), None)

    @property
    def settling(self) -> bool:
        """Whether it has still to look, to ask for targets, or to remember what came to rest.

        What goes wrong with that is tried again by the timer, and not waited for.
        """
        unswept = self._board.view is not None and not self._sweep.rounds
        waits = not self._said and (unswept or self._board.apart)
        behind = (self._answered, self._rested) != (self._asks, self._rests)
        return behind or bool(self._missed) or waits

    def wake(self) -> None:
        """Hint that something may have changed; any thread may."""
        self._asks += 1
        self._hint.set()

    def hinted_by(self, renew: Callable[[], str | None]) -> None:
        """Have `renew` called once in a while: it sees to it that hints come.

        Args:
            renew: Returns what is in the way, as a sentence; None: nothing is.
        """
        self._renew = renew

    def drained(self) -> None:
        """Hint that nothing is left to do: what is at rest is remembered and put out of mind.

        One thread at a time may.
        """
        self._rests += 1
        self._hint.set()

    def missed(self, name: str) -> None:
        """Have a model looked at that the view does not tell of; any thread may."""
        self._missed.append(name)
        self._hint.set()

    def stop(self) -> None:
        """End `run`."""
        self._stopped = True
        self._hint.set()

    def run(self) -> None:
        """Follow until stopped; what goes wrong is said, and tried again."""
        while not self._stopped:
            self.step()
            if self._hint.wait(min(max(0.0, self._tick - self._clock()), _LATER_S)):
                time.sleep(DEBOUNCE_S)
                self._hint.clear()

    def step(self) -> None:
        """Do what there is a reason for now: the timer, a hint, a permission, or rest."""
        now = self.beat = self._clock()
        if due := now >= self._tick:
            self._tick = now + self._interval_s * random.uniform(0.9, 1.1)  # noqa: S311
        asks, hinted = self._asks, self._asks != self._answered or self._board.apart
        if due or hinted or self._views.allowed() != self._allowed:
            self._guard(self.look)
            self._answered = asks
        if due:
            self._guard(self._see_to_hints)
        if self._missed:
            self._guard(self._seek)
        rests = self._rests
        drained = rests != self._rested
        if due or (drained and not self._sweep.rounds):  # the first round does not wait
            self._guard(self._sweep.go_on)
        if (drained or (due and self._unpublished)) and not self._board.apart:
            self._guard(self._remember)
            self._rested = rests

    def look(self) -> None:
        """Ask where the refs stand, and follow them.

        Raises:
            ReconcilerError: They cannot be read, or what they name cannot be followed.
        """
        self._follow(self._sighted())
        self.synced_at = self._clock()

    def _sighted(self) -> Sighting:
        """Ask where the refs stand; once they can be read again, say so."""
        try:
            sighting = self._source.look()
        except TransientError:
            self._lost = True
            raise
        if self._lost:
            self._lost, self._said = False, {}
            self._listen(Happened("Seen", "the refs can be read again"))
        return sighting

    def _guard(self, step: Callable[[], None]) -> None:
        with guarded(lambda error: self._complain(*told(error))):
            step()

    def _follow(self, sighting: Sighting) -> None:
        allowed = self._views.allowed()
        apart = self._board.apart
        if (sighting, allowed) == (self._seen, self._allowed) and not apart:
            return
        if sighting.revision is None:
            self._stay(sighting, allowed)
            self._complain("BranchGone", _GONE if self._board.view else _ABSENT)
            return
        view = self._board.view
        there = (
            view is not None
            and view.fleet.revision == sighting.revision
            and self._board.ours(view.snapshot.commit, sighting.deployed)
        )
        if there and view is not None and view.snapshot.commit != sighting.deployed:
            if sighting != self._behind:  # we have written since, or somebody took that back
                self._behind = sighting
                self.wake()
                return
            there = False
        self._behind = None
        if not there or apart or allowed != self._allowed:
            began = self._clock()
            try:
                changed = self._show(sighting.revision, sighting.deployed)
            except ReconcilerError as error:
                if not passing(error):  # it waits for a commit
                    self._stay(sighting, allowed)
                raise
            if changed is None:
                return
            self._tell(sighting.revision, changed, self._clock() - began)
        self._seen, self._allowed, self._said = sighting, allowed, {}

    def _stay(self, sighting: Sighting, allowed: str | None) -> None:
        """Leave the last good revision in force, and follow what people decide meanwhile."""
        view = self._board.view
        known = view is not None and view.snapshot.commit == sighting.deployed
        same = known and not self._board.apart and allowed == self._allowed
        for revision in self._good(sighting.revision):
            if same and view is not None and revision == view.fleet.revision:
                break
            with contextlib.suppress(SpecError, TerminalError):  # then the records stay as well
                self._show(revision, sighting.deployed)
                break
        self._seen, self._allowed = sighting, allowed

    def _good(self, revision: str | None) -> tuple[str, ...]:
        """Return the commits that may be in force instead of one, the best first.

        The last one before it, whatever was followed here: other daemons may have seen more of
        them, and what was released by a later one must not be taken back by an earlier one.
        """
        view = self._board.view
        own = () if view is None else (view.fleet.revision,)
        before = () if revision is None else self._views.before(revision)
        later = before[: before.index(own[0])] if own and own[0] in before else before
        return (*later, *own)

    def _show(self, revision: str, deployed: str | None) -> int | None:
        """Work with what is to be looked at, at a commit and the records as they are now.

        Args:
            revision: The commit.
            deployed: Where the records stood when that was known to be the one to follow.

        Returns:
            How many models it changes something for. None: others have written records since,
            perhaps by a later commit, which this one would take back. The refs are looked at anew.
        """

        def take_on(view: View) -> set[str] | None:
            if self._outrun < _PATIENCE and not self._board.ours(view.snapshot.commit, deployed):
                return None
            self._shown = view
            return self._board.replace(view)

        changed = self._board.fresh(lambda: self._views.at(revision), take_on)
        if changed is None:
            self._outrun += 1
            self.wake()
            return None
        self._outrun = 0
        self._changed(changed)
        return len(changed)

    def _seek(self) -> None:
        """Have models looked at that something is known of although they were settled."""
        names = {self._missed.popleft() for _ in range(len(self._missed))}
        try:
            self._sweep.ask_for(tuple(sorted(names)))
        except ReconcilerError:
            self._missed.extend(names)
            raise

    def _tell(self, revision: str, changed: int, seconds: float) -> None:
        models = "1 model" if changed == 1 else f"{changed} models"
        said = f"follows {revision[:10]}; {models} to look at"
        self._listen(Happened("Synced", said, revision=revision, seconds=seconds))

    def _see_to_hints(self) -> None:
        if (blind := self._renew()) != self._blind:
            self._blind = blind
            if blind is not None:
                self._listen(Happened("NoEvents", blind, good=False))

    def _remember(self) -> None:
        """Remember which models are at rest, and work on with a view of the others alone."""
        found = self._board.plans()
        if found is not None and found[0] is not self._remembered:
            self._unpublished = True
            view, noted = found
            plans = {name: _at_rest(noted.get(name)) for name in view.names()}
            self._views.remember(view, plans)
            if self._show(view.fleet.revision, view.snapshot.commit) is None:
                return
            self._remembered = self._shown
        if self._unpublished:
            self._views.publish()
            self._unpublished = False

    def _complain(self, reason: str, what: str) -> None:
        if what != self._said.get(reason):
            self._said[reason] = what
            self._listen(Happened(reason, what, good=False))


def _at_rest(plan: Plan | None) -> tuple[str, str] | None:
    return None if plan is None or plan.actions else (plan.reason, plan.message)
