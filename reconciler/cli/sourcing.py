"""Sourcing: where a server has its records and bundles from, here or of a remote repository."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from reconciler.adapters import dvc_config
from reconciler.adapters.cache import Cache
from reconciler.adapters.dvc_remote import Remote
from reconciler.adapters.home import furnished
from reconciler.adapters.mirror import Mirror
from reconciler.adapters.snapshot import Snapshot
from reconciler.cli.wiring import Site
from reconciler.controller.artifacts import Artifacts
from reconciler.controller.events import Happened, Listen
from reconciler.core.record import Version
from reconciler.errors import TransientError, UsageError

#: Looks are spread by so much, so that many servers do not ask a remote at one moment.
_SPREAD = 0.1


def following(state: Path | None, url: str, branch: str | None) -> Mirror:
    """Return the mirror in which a daemon follows a branch of a remote repository.

    Raises:
        UsageError: No branch is named, or there can be no such mirror.
    """
    if branch is None:
        raise UsageError(
            "--repo follows a branch of a remote repository: say which with --branch",
            reason="BranchMissing",
        )
    return Mirror.open(state, url, branch)


class Source:
    """The records of a repository, and the bundles that they name; one thread asks, but to bring.

    Args:
        site: The repository.
        own: Whether DVC's settings are those of the records: of what is mirrored, nobody else
            says what they are. Otherwise it is so in a bare repository that has none yet.
    """

    def __init__(self, site: Site, *, own: bool) -> None:
        self._site = site
        self._remote = Remote(site.root)
        self._own = own
        self._at: str | None = None

    def read(self) -> Snapshot:
        """Return the records as they stand now."""
        snapshot = self._site.store.read()
        if snapshot.commit is not None and snapshot.commit != self._at:
            if self._own or not furnished(self._site.git):
                self._site = self._site.following(snapshot.commit)
            self._at = snapshot.commit
        return snapshot

    def fetch(self, version: Version, damaged: Callable[[str], None]) -> Path:
        """Return a folder with a version's bundle, see `Stock`."""
        here = Cache(dvc_config.cache_dir(self._site.root))  # and no remote
        return Artifacts(here, self._site.workspace.bundles, {}).bundle(version, damaged)

    def bring(self, digests: Sequence[str], cancel: threading.Event) -> None:
        """Bring bundles from the DVC remote into the cache, see `Bringing`; from any thread."""
        root = self._site.root
        Cache(dvc_config.cache_dir(root), self._remote.until(cancel).fetch).bring(digests)


class Polling:
    """Asks a remote every so often, in a thread of its own.

    Args:
        look: Asks it, and brings here what has changed; it raises a TransientError.
        looked: Called after each look that went well.
        tell: Told when the remote is away, once, and when it is back.
        interval_s: Seconds between two looks, give or take a tenth.
    """

    def __init__(
        self,
        look: Callable[[], object],
        looked: Callable[[], None],
        tell: Listen,
        interval_s: float,
    ) -> None:
        self._look = look
        self._looked = looked
        self._tell = tell
        self._interval_s = interval_s
        self._said = ""
        self._ended = False
        self._hint = threading.Event()
        self._thread = threading.Thread(target=self._work, name="remote", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def end(self) -> None:
        """Ask no more; a look that is under way is ended by whoever can."""
        self._ended = True
        self._hint.set()

    def hurry(self) -> None:
        """Ask at once: somebody says that there is something new. From any thread."""
        self._hint.set()

    def _work(self) -> None:
        while not self._ended:
            self._once()
            spread = random.uniform(1 - _SPREAD, 1 + _SPREAD)  # noqa: S311
            self._hint.wait(self._interval_s * spread)
            self._hint.clear()

    def _once(self) -> None:
        try:
            self._look()
        except TransientError as error:
            if not self._ended and self._said != error.message:
                self._said = error.message
                self._tell(Happened(error.reason, f"{error}; serving goes on", good=False))
            return
        if self._said:
            self._said = ""
            self._tell(Happened("RemoteBack", "the remote answers again"))
        self._looked()
