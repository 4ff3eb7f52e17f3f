"""A remote repository followed from a bare one of our own.

Its refs follow those of the remote and never run ahead of them: records move on the remote first.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

from reconciler.adapters import mirror_folder
from reconciler.adapters.git import Git
from reconciler.adapters.git_remote import GitRemote, location, refspec
from reconciler.adapters.layout import REF
from reconciler.adapters.lease_refs import PATTERN, LeaseRefs
from reconciler.errors import TransientError
from reconciler.ports.source import Sighting

_TIDY_S = 3600.0
_CLOSE_S = 1.5
_PAUSE_S = 0.05  # after the first lost race; twice as long after each further one
_LONGEST_PAUSE_S = 2.0
_LOCKED_PAUSES_S = (0.5, 1.0, 2.0, 3.0)  # longer in all than a lock must be old to be stale


class Mirror:
    """One branch of a remote repository, and its branch of records. Threads share it.

    Args:
        git: The bare repository.
        remote: The remote.
        branch: The branch that is followed; None: the records alone are.
        clock: Steady seconds.
    """

    def __init__(
        self,
        git: Git,
        remote: GitRemote,
        branch: str | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.git = git
        self.remote = remote
        self.leases = LeaseRefs(clock)
        """The leases that the last look has seen."""
        self._ref = None if branch is None else f"refs/heads/{branch}"
        self._followed = (REF,) if self._ref is None else (self._ref, REF)
        self._clock = clock
        self._tidied = clock()
        self._lost = 0
        # Held while records are fetched or pushed, so that the ref here steps back for neither.
        self._records = threading.Lock()

    @classmethod
    def open(cls, folder: Path | None, url: str, branch: str | None) -> Mirror:
        """Return the mirror in a folder, made there if need be; the remote is not asked yet.

        Args:
            folder: Where it is; None: in the user's state folder, one for each URL.
            url: The remote, as git takes it; or a path from here.
            branch: The branch to follow, such as `main`; None: the records alone.

        Raises:
            UsageError: The folder holds something else; the branch cannot be followed.
            TransientError: The folder cannot be written.
        """
        url = location(url, Path.cwd())
        what = "" if branch is not None else "-serving"
        folder = (folder or mirror_folder.default(url, what)).absolute()
        mirror_folder.prepare(folder, url, branch)
        return cls(Git(None, folder, folder), GitRemote(folder, url), branch)

    def look(self) -> Sighting:
        """Return where the remote's refs stand now, and bring here what they name.

        A branch that is gone there stays here: what was read from it is still in force. Records
        that are gone there stay too, and the next decision puts them back with their history.

        Raises:
            TransientError: `RemoteUnreachable`; or nothing can be written here.
        """
        leases = () if self._ref is None else (PATTERN,)
        refs = self.remote.refs(*self._followed, *leases)
        self.leases.note(refs)
        here, there = self._here(), [ref for ref in self._followed if ref in refs]
        behind = [ref for ref in there if refs[ref] != here[ref]]
        if (
            behind
        ):  # records that are brought here later than the branch may rest on its next commit
            here = self._fetch(*(there if REF in behind else behind))
        self._tidy()
        tip = here[self._ref] if self._ref in refs else None
        return Sighting(tip, here[REF])

    def refresh(self) -> None:
        """Bring the records here as they stand on the remote now.

        Raises:
            TransientError: `RemoteUnreachable`; or nothing can be written here.
        """
        with self._records:
            self._follow_records()

    def move(self, old: str | None, new: str) -> bool:
        """Move the branch of records on the remote, and then here, to a commit that follows `old`.

        Returns:
            Whether it moved. Otherwise somebody else was faster, what they wrote is here now,
            and a while has passed, longer after each time in a row.

        Raises:
            TransientError: `RemoteUnreachable`: what became of it is seen at the next look;
                `RemoteRefused`: the remote does not let us.
        """
        with self._records:
            moved = self._push(old, new)
        self._lost = 0 if moved else self._lost + 1
        if not moved:
            most = min(_LONGEST_PAUSE_S, _PAUSE_S * 2.0 ** min(self._lost, 10))
            self.remote.stop.pause(random.uniform(0, most))  # noqa: S311
        return moved

    def close(self) -> None:
        """End what is under way with the remote, and ask it no more; within seconds."""
        self.remote.stop.end(_CLOSE_S)

    def _push(self, old: str | None, new: str) -> bool:
        try:
            refused = self.remote.push({REF: new}).get(REF)
        except TransientError:
            if self._arrived(new):  # the remote went away after it was done, before it said so
                return True
            raise
        if refused is None:
            with contextlib.suppress(TransientError):  # a lock: the next look follows
                self.git.update_ref(REF, new, old)
            return True
        self._follow_records()
        if not refused.outrun and self.git.read_ref(REF) == old:
            raise self.remote.refusal(REF, refused.words)
        return False

    def _arrived(self, new: str) -> bool:
        try:
            there = self._follow_records()
        except TransientError:
            return False
        lacks = there and self.git.text("rev-list", "--max-count=1", new, f"^{there}")
        return lacks == ""

    def _follow_records(self) -> str | None:
        """Bring the records here, and return where they stand on the remote; None: nowhere."""
        there = self.remote.refs(REF).get(REF)
        if there is not None and there != self.git.read_ref(REF):
            self.remote.fetch(*refspec([REF]))
        return there

    def _here(self) -> dict[str, str | None]:
        return dict(zip(self._followed, self.git.ids(self._followed), strict=True))

    def _fetch(self, *refs: str) -> dict[str, str | None]:
        """Bring refs here, and return where all stand then.

        A lock that a killed git has left is waited for, and removed.
        """
        for pause_s in (*_LOCKED_PAUSES_S, None):
            try:
                with self._records if REF in refs else contextlib.nullcontext():
                    self.remote.fetch(*refspec(refs))
                    return self._here()
            except TransientError as error:
                if error.reason != "Locked" or pause_s is None:
                    raise
            self.remote.stop.pause(pause_s)
            mirror_folder.mend(self.git.common_dir)
        raise AssertionError("the last attempt returns or raises")

    def _tidy(self) -> None:
        if self._clock() - self._tidied >= _TIDY_S:
            self._tidied = self._clock()
            with contextlib.suppress(TransientError):
                self.remote.tidy()
