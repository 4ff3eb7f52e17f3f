"""Sweeping: the targets of all models are looked at in turn, those of models at rest too."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.controller.board import Board
from reconciler.controller.views import Views

#: Models whose targets are looked at on each tick: a large fleet takes several, and little time.
SWEEP = 75


class Sweep:
    """Goes round all models that are on record.

    Args:
        views: What is declared and on record.
        board: Where passes find it.
        touch: Told of models whose targets are to be looked at.
    """

    def __init__(
        self, views: Views, board: Board, touch: Callable[[tuple[str, ...]], None]
    ) -> None:
        self._views = views
        self._board = board
        self._touch = touch
        self._last = ""
        self.rounds = 0
        """How often every model was asked for."""

    def go_on(self) -> None:
        """Ask for the next models.

        Raises:
            ReconcilerError: What is declared or on record of them cannot be read now.
        """
        if self._board.view is None:
            return
        names = self._views.recorded()
        some = tuple(name for name in names if name > self._last)[:SWEEP]
        self.ask_for(some)
        ended = not some or some[-1] == names[-1]
        self._last = "" if ended else some[-1]
        self.rounds += ended

    def ask_for(self, names: tuple[str, ...]) -> None:
        """Ask for some models, settled or not.

        Raises:
            ReconcilerError: What is declared or on record of them cannot be read now.
        """
        view = self._board.view
        if view is None:
            return
        if settled := [name for name in names if not view.tells(name)]:
            revision = view.fleet.revision
            self._board.fresh(lambda: self._views.of(revision, settled), self._board.sample)
        self._touch(names)
