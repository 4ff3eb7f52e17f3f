"""Leases among daemons on one remote: a ref per fingerprint, moved by compare-and-swap.

Each sign of life is a new commit, so a holder is gone when its ref has not changed for the length
of a lease. The observer's own steady clock tells that; nobody's time of day is trusted.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.adapters.git import RECONCILER
from reconciler.adapters.git_remote import GitRemote, Limits
from reconciler.adapters.holder import Holder, read_claim
from reconciler.adapters.lease_refs import PATTERN, ref_of
from reconciler.adapters.stopping import Stop
from reconciler.errors import TransientError

if TYPE_CHECKING:
    from reconciler.adapters.lease_refs import Seen
    from reconciler.adapters.mirror import Mirror

TTL_S = 300.0
_SWEPT_AFTER = 4  # lengths of a lease, after which one that nobody wants any more is removed
_FIRST_S = 5.0  # after the start: a look has seen by then what a killed run has left
_MOST_SWEPT = 200  # in one push
_FAREWELL = Limits(push_s=1.5)

#: Told when a lease of ours is no longer ours: the fingerprint, and a sentence that says whose.
Lost = Callable[[str, str], None]


@dataclass(slots=True)
class _Held:
    oid: str
    """The commit that its ref points to."""
    fresh: bool = False
    """Whether the records were brought here since it was taken."""


class RemoteLeases:
    """The leases of one daemon; see `ports.leases`. Threads share it.

    Args:
        mirror: The remote's mirror, whose looks say what others hold.
        holder: Who we are.
        ttl_s: Seconds without a sign of life after which a lease is anybody's. Ours are renewed
            three times as often.
        lost: Told of each lease that somebody else has taken over.
    """

    def __init__(
        self,
        mirror: Mirror,
        holder: Holder,
        ttl_s: float = TTL_S,
        lost: Lost = lambda *_: None,
    ) -> None:
        self._mirror = mirror
        self._git = mirror.git
        self._seen = mirror.leases
        self._stop = Stop()
        self._remote = dataclasses.replace(mirror.remote, stop=self._stop)
        self._holder = holder
        self._ttl_s = ttl_s
        self._lost = lost
        self._beats = 0
        self._sign = ""
        """The commit that leases of ours point to since the last renewal; empty: none yet."""
        self._claims: dict[str, Holder] = {}
        """Who stands in commits that were read, by id."""
        self._held: dict[str, _Held] = {}
        self._returned: dict[str, _Held] = {}
        self._state = threading.Lock()  # of the two above; never held while the remote is asked
        self._network = threading.Lock()  # held by who changes refs; taken before the other
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def take(self, fingerprint: str) -> str | None:
        """Take the lease of a fingerprint, or keep it.

        Returns:
            None: it is ours, and the records that are here are no older than that: what another
            holder has put on record is among them. Otherwise who holds it, as a sentence.

        Raises:
            TransientError: The remote is away, or does not let us.
        """
        with self._state:
            held = self._held.get(fingerprint)
            if held is not None and held.fresh:
                return None
        with self._network, self._stop.calling():
            return self._take(fingerprint)

    def give_back(self, fingerprint: str) -> None:
        """Let others have it: soon, and with others that are given back then."""
        with self._state:
            held = self._held.pop(fingerprint, None)
            if held is not None:
                self._returned[fingerprint] = held
        self._wake.set()

    def beat(self) -> None:
        """Renew what we hold, and delete what was given back and what nobody wants.

        Raises:
            TransientError: The remote is away; nothing is lost before the lease runs out.
        """
        with self._network:
            gone = self._renew()
        for fingerprint, said in gone.items():
            self._lost(fingerprint, said)

    def flush(self) -> None:
        """Delete what was given back.

        Raises:
            TransientError: The remote is away; the next beat does it.
        """
        with self._network:
            self._delete(self._remote, {})

    def start(self) -> None:
        """Renew the leases from a thread, until `close`."""
        self._thread = threading.Thread(target=self._live, name="leases", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop renewing, and let others have what is ours; within a few seconds, or not at all."""
        self._stop.end(0)
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        remote = dataclasses.replace(self._remote, stop=Stop(), limits=_FAREWELL)
        with self._network:
            with self._state:
                self._returned |= self._held
                self._held = {}
            with contextlib.suppress(TransientError):  # then they run out
                self._delete(remote, self._abandoned())

    def _live(self) -> None:
        due = time.monotonic() + min(_FIRST_S, self._ttl_s / 3)
        while not self._stop.asked():
            self._wake.wait(max(0.0, due - time.monotonic()))
            self._wake.clear()
            beats = time.monotonic() >= due
            if beats:
                due = time.monotonic() + self._ttl_s / 3
            try:
                self.beat() if beats else self.flush()
            except TransientError:  # looks tell of it
                due = min(due, time.monotonic() + self._ttl_s / 12)

    def _take(self, fingerprint: str) -> str | None:
        with self._state:
            if fingerprint in self._returned:  # wanted again before it was gone
                self._held[fingerprint] = self._returned.pop(fingerprint)
            known = fingerprint in self._held
        if not known and (said := self._claim(fingerprint)) is not None:
            return said
        self._mirror.refresh()
        with self._state:
            if fingerprint in self._held:
                self._held[fingerprint].fresh = True
        return None

    def _claim(self, fingerprint: str) -> str | None:
        """Move the ref to a commit of ours, or return whose it is."""
        ref, seen = ref_of(fingerprint), self._seen.get(fingerprint)
        if seen is not None and self._whose(fingerprint, seen) == self._holder:
            seen = self._ask(fingerprint)  # a push whose answer was lost, or old news
        while True:
            whose = self._whose(fingerprint, seen) if seen else None
            if seen is not None and whose == self._holder:
                oid = seen.oid
                break
            if seen is not None and not self._free(seen, whose):
                return self._sentence(whose)
            oid = self._sign = self._sign or self._commit()
            refused = self._remote.push({ref: oid}, {ref: seen.oid if seen else None}).get(ref)
            if refused is None:
                break
            before, seen = seen, self._ask(fingerprint)
            if not refused.outrun or seen == before:
                raise self._remote.refusal(ref, refused.words)
        with self._state:
            self._held[fingerprint] = _Held(oid)
        return None

    def _ask(self, fingerprint: str) -> Seen | None:
        self._seen.note(self._remote.refs(PATTERN))
        return self._seen.get(fingerprint)

    def _free(self, seen: Seen, whose: Holder | None) -> bool:
        """Return whether a lease has run out, or is ours from a run before this one."""
        ours = whose is not None and whose.id == self._holder.id
        return ours or self._seen.age_s(seen) >= self._ttl_s

    def _whose(self, fingerprint: str, seen: Seen) -> Holder | None:
        if seen.oid not in self._claims:
            self._read([seen.oid])
        if seen.oid not in self._claims:
            with contextlib.suppress(TransientError):  # it may just have been given back
                self._remote.fetch(ref_of(fingerprint))
                self._read([seen.oid])
        return self._claims.get(seen.oid)

    def _read(self, oids: Iterable[str]) -> None:
        """Learn who stands in commits, as far as they are here."""
        wanted = list(dict.fromkeys(oids))
        here = [oid for oid in self._git.ids(wanted) if oid is not None] if wanted else []
        for oid, commit in self._git.blobs(here).items():
            if (claim := read_claim(commit)) is not None:
                self._claims[oid] = claim

    def _sentence(self, whose: Holder | None) -> str:
        by = f"the daemon on {whose.host}, process {whose.pid}" if whose else "another daemon"
        return f"{by}, has its lease, until that is given back or not renewed for {self._ttl_s:g} s"

    def _commit(self) -> str:
        self._beats += 1
        (empty,) = self._git.write_trees([{}])
        said = self._holder.claim(self._beats)
        return self._git.commit_tree(empty, [], said, RECONCILER, datetime.now(UTC))

    def _renew(self) -> dict[str, str]:
        """Return whose the leases are that turn out to be no longer ours, as sentences."""
        self._delete(self._remote, self._abandoned())
        with self._state:
            held = {name: lease.oid for name, lease in self._held.items()}
        self._sign = oid = self._commit() if held else ""
        moves: dict[str, str | None] = dict.fromkeys(map(ref_of, held), oid)
        refused = self._remote.push(moves, {ref_of(n): o for n, o in held.items()}) if held else {}
        for name in held:
            if ref_of(name) not in refused:
                self._stands_at(name, oid)
        outrun = [n for n in held if (why := refused.get(ref_of(n))) is not None and why.outrun]
        return {name: said for name in outrun if (said := self._taken_over(name)) is not None}

    def _delete(self, remote: GitRemote, others: Mapping[str, str]) -> None:
        """Delete what was given back, and `others`, where they still stand as we know them."""
        with self._state:
            ending = {**others, **{name: lease.oid for name, lease in self._returned.items()}}
        if ending:
            moves: dict[str, str | None] = dict.fromkeys(map(ref_of, ending))
            remote.push(moves, {ref_of(name): oid for name, oid in ending.items()})
        for name in ending:
            self._seen.note_one(name, None)
        with self._state:
            for name in ending:
                self._returned.pop(name, None)

    def _stands_at(self, fingerprint: str, oid: str) -> None:
        """Note where a lease of ours stands, which may have been given back meanwhile."""
        with self._state:
            held = self._held.get(fingerprint) or self._returned.get(fingerprint)
            if held is not None:
                held.oid = oid

    def _abandoned(self) -> dict[str, str]:
        """Return leases that nobody wants: run out long ago, or ours from runs before this one."""
        with self._state:
            ours = self._held.keys() | self._returned.keys()
        others = {name: seen for name, seen in self._seen.all().items() if name not in ours}
        least_s = _SWEPT_AFTER * self._ttl_s
        old = {name for name, seen in others.items() if self._seen.age_s(seen) >= least_s}
        found = sorted(old | self._former(others))
        return {name: others[name].oid for name in found[:_MOST_SWEPT]}

    def _former(self, others: Mapping[str, Seen]) -> set[str]:
        """Return those of `others` that we took in earlier runs; their commits are here."""
        self._read(seen.oid for seen in others.values() if seen.oid not in self._claims)
        claims = {name: self._claims.get(seen.oid) for name, seen in others.items()}
        self._claims = {others[name].oid: claim for name, claim in claims.items() if claim}
        return {n for n, claim in claims.items() if claim and claim.id == self._holder.id}

    def _taken_over(self, fingerprint: str) -> str | None:
        """Give up a lease of ours and return whose it is; None when it is ours all the same."""
        seen = self._ask(fingerprint)
        whose = self._whose(fingerprint, seen) if seen else None
        if seen is not None and whose == self._holder:  # a beat whose answer was lost
            self._stands_at(fingerprint, seen.oid)
            return None
        with self._state:
            self._held.pop(fingerprint, None)
        return self._sentence(whose) if seen else "somebody has deleted its lease"
