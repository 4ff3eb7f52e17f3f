"""The crew: the workers of one server, kept running, told what to serve, and added up."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from reconciler.adapters.children import Child, Patience
from reconciler.errors import TransientError
from reconciler.serving import lines
from reconciler.serving.settings import DRAIN_S, Settings
from reconciler.serving.table import Table

#: Seconds that a worker may leave what it is sent unread, once that is more than waits by itself.
_DEAF_S = 10
#: Gives what a worker asks for, `status` or `metrics`.
Answer = Callable[[str], Any]
#: Loads a model anew, unless the bundle of a digest answers; gives how it is served then.
Reload = Callable[[str, str | None], Any]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Faring:
    """How one worker fares."""

    place: int
    """Its number among the workers, which the one that is started in its place has too."""
    pid: int
    busy: int
    """Requests that it answers at the moment."""
    connections: int


class Member:
    """One worker as its supervisor sees it: its process, what it said last, and the way to it."""

    def __init__(
        self,
        place: int,
        argv: list[str],
        link: socket.socket,
        fds: tuple[int, ...],
        hear: Callable[[Member], None],
    ) -> None:
        self.place = place
        self.link = link
        self.hearing = threading.Thread(target=hear, args=(self,), daemon=True)
        self.boot = ""
        self.loaded: dict[str, Any] = {}
        self.counts: dict[str, Any] = {}
        self.fares: dict[str, int] = {}
        self.followed = 0
        """The number of the last table that it serves as far as it can."""
        self._turn = threading.Lock()
        self.child: Child | None = None
        self._argv = argv
        self._fds = fds

    def start(self, ended: Callable[[int], None]) -> None:
        """Start its process; TransientError where the system has no room for one."""
        self.child = Child(self._argv, pass_fds=self._fds, ended=ended)

    def tell(self, message: Callable[[], lines.Message]) -> None:
        """Send it what `message` returns when it is its turn: what is sent last is the newest.

        One that is gone will get another table when it is back; one that takes in nothing for
        `_DEAF_S` seconds is ended, and started again.
        """
        with self._turn:
            try:
                self.link.sendall(lines.encode(message()))
            except BlockingIOError:
                assert self.child is not None
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.child.pid, signal.SIGKILL)
            except OSError:
                pass


class Crew:
    """Threads read what workers say; any thread may ask.

    Args:
        listen: The socket that requests come in by.
        settings: What workers are started with, given the two sockets' numbers.
        size: How many workers, at least 1.
        answer: Gives what a worker asks for.
        ended: Told of each worker that ended unasked: process id and exit code.
        heard: Told of whatever a worker says.
        reload: Loads a model anew, and returns how it is served then; it may take its time.
    """

    def __init__(
        self,
        listen: socket.socket,
        settings: Callable[[int, int], Settings],
        size: int,
        answer: Answer,
        ended: Callable[[int, int], None] = lambda _pid, _code: None,
        heard: Callable[[lines.Message], None] = lambda _: None,
        reload: Reload = lambda _model, _unless: None,
    ) -> None:
        self._listen = listen
        self._settings = settings
        self._size = size
        self._answer = answer
        self._told_end = ended
        self._heard = heard
        self._reload = reload
        self._lock = threading.Lock()
        self._moved = threading.Condition(self._lock)
        self._members: list[Member] = []
        self._gone: dict[str, dict[str, Any]] = {}
        """What workers that are gone had counted, by boot."""
        self._table: Table | None = None
        self._number = 0
        self._patience = [Patience() for _ in range(size)]
        self._ending = threading.Event()

    def start(self) -> None:
        """Start all workers."""
        for place in range(self._size):
            self._hire(place)

    def serve(self, table: Table, again: frozenset[str] = frozenset()) -> None:
        """Have all workers serve a table; those of `again` are loaded anew."""
        with self._lock:
            self._table = table
            self._number += 1
            members = list(self._members)
        for member in members:
            member.tell(lambda: self._told(again))

    def settle(self, within_s: float) -> bool:
        """Wait until all workers serve the last table as far as they can; False: not yet."""
        with self._moved:
            number = self._number
            return self._moved.wait_for(
                lambda: all(member.followed >= number for member in self._members), within_s
            )

    def loaded(self) -> list[dict[str, Any]]:
        """Return what each worker serves, as its house says it."""
        with self._lock:
            return [member.loaded for member in self._members]

    def counts(self) -> dict[str, dict[str, Any]]:
        """Return what each worker has counted by its boot, those that are gone too."""
        with self._lock:
            return {**self._gone, **{m.boot: m.counts for m in self._members if m.boot}}

    def workers(self) -> list[Faring]:
        """Return how each worker fares."""
        with self._lock:
            return [
                Faring(m.place, m.child.pid, m.fares.get("busy", 0), m.fares.get("connections", 0))
                for m in self._members
                if m.child is not None
            ]

    def end(self) -> None:
        """End all workers, once their requests are answered."""
        self._ending.set()
        with self._lock:
            members = list(self._members)
        for member in members:
            if member.child is not None:
                member.child.ask_to_end()
        until = time.monotonic() + DRAIN_S + 1
        for member in members:
            if member.child is not None:
                member.child.end(max(until - time.monotonic(), 0.0))

    def end_now(self) -> None:
        """Have all workers end at once; waits for no lock, for the handler of a signal."""
        self._ending.set()
        for member in tuple(self._members):
            if member.child is not None:
                member.child.kill()

    def _told(self, again: frozenset[str] = frozenset()) -> lines.Message:
        """Return what workers are told to serve now."""
        with self._lock:
            table, number = self._table, self._number
        if table is None:
            return {}
        return {"table": table.plain(), "again": sorted(again), "number": number}

    def _hire(self, place: int) -> None:
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", _DEAF_S, 0))
        settings = self._settings(self._listen.fileno(), theirs.fileno())
        argv = [sys.executable, "-P", "-m", "reconciler.serving.worker", settings.text()]
        member = Member(place, argv, ours, settings.fds(), self._hear)
        self._patience[place].began()
        with theirs, self._lock:  # so that whoever ends all of them ends this one too
            if self._ending.is_set():
                return
            member.hearing.start()
            member.start(lambda code: self._lost(place, member, code))
            self._members.append(member)
        member.tell(self._told)  # it reads already: what is long would wait for ever otherwise

    def _lost(self, place: int, member: Member, code: int) -> None:
        assert member.child is not None
        member.hearing.join(1.0)  # what it said last counts
        with self._lock:
            self._members.remove(member)
            self._moved.notify_all()
            if member.boot:
                self._gone[member.boot] = member.counts
        self._told_end(member.child.pid, code)
        while not self._ending.wait(self._patience[place].pause_s()):
            with contextlib.suppress(TransientError):  # no room for a process: in a while, perhaps
                self._hire(place)
                return

    def _hear(self, member: Member) -> None:
        """Take in what a worker says until it is gone."""
        with contextlib.suppress(OSError), member.link.makefile("rb") as stream:
            for line in stream:
                try:
                    self._heed(member, lines.decode(line))
                except Exception:  # noqa: BLE001  a bug over one line leaves the next ones heard
                    _log.exception("what a worker said came to nothing: this is a bug")

    def _heed(self, member: Member, message: lines.Message) -> None:
        with self._lock:
            match message:
                case {"hello": hello}:
                    member.boot = hello["boot"]
                case {"loaded": loaded}:
                    member.loaded = loaded
                case {"counts": counts}:
                    member.counts = counts
                case {"fares": fares}:
                    member.fares = fares
                case {"followed": number}:
                    member.followed = number
                    self._moved.notify_all()
        self._heard(message)
        match message:
            case {"ask": number, "reload": model, "unless": unless}:
                answer = partial(self._reload, model, unless)  # it waits for what its line brings
                threading.Thread(
                    target=self._reply, args=(member, number, answer), daemon=True
                ).start()
            case {"ask": number, "what": what}:
                self._reply(member, number, partial(self._answer, what))

    def _reply(self, member: Member, number: int, answer: Callable[[], Any]) -> None:
        reply = {"reply": number, "value": answer()}
        member.tell(lambda: reply)
