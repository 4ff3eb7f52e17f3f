"""Asking the gate ahead: what it would say of versions whose predictions exist already.

Nothing is measured, and nothing is written but where the reconciler keeps what it may lose. What
is on the remote alone is fetched beside the repository, as far as that is quickly done.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.adapters import dvc_config
from reconciler.adapters.cache import Cache
from reconciler.adapters.dvc_remote import Remote
from reconciler.adapters.runtime import installed
from reconciler.cli.wiring import Site
from reconciler.controller.preview import Ask, Unasked
from reconciler.core.plan import Desired
from reconciler.core.record import Pointer, Version
from reconciler.core.runtime import LIBRARIES
from reconciler.core.verdict import Verdict
from reconciler.errors import ReconcilerError

#: Bytes that are fetched for one question, and seconds that all fetching may take.
_BYTES = 100_000_000
_SECONDS = 30.0


@contextmanager
def asking(site: Site, *, offline: bool) -> Iterator[Ask]:
    """Give what asks the gate; what it fetches is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="reconciler-") as aside:
        yield _Asker(site, Path(aside), offline=offline).ask


class _Asker:
    def __init__(self, site: Site, aside: Path, *, offline: bool) -> None:
        self._aside = aside
        self._offline = offline
        self._until = time.monotonic() + _SECONDS
        self._remote = Remote(site.root, aside / "cache", _SECONDS)
        self._local = Cache(dvc_config.cache_dir(site.root))
        self._borrowed = Cache(aside / "cache")
        at_home = site.workspace.base.is_dir()
        self._bundles = site.workspace.bundles if at_home else aside / "bundles"
        self._scored = site.workspace.scored if at_home else aside / "scored"

    def ask(
        self, desired: Desired, version: Version, champion: Version | None, released: bool
    ) -> Verdict | Unasked:
        """Return what the gate says, or why it cannot be asked before apply."""
        from reconciler.controller.artifacts import Artifacts
        from reconciler.controller.judging import Judging, remembered

        rivals = not released and any(r.compare for r in desired.spec.spec.acceptance)
        versions = [version, *([champion] if champion and rivals else [])]
        pointers = [p for v in versions for p in (v.bundle, v.predictions, v.prepared) if p]
        try:
            cache = self._cache(pointers)
            if isinstance(cache, Unasked):
                return cache
            artifacts = Artifacts(cache, self._bundles, installed(LIBRARIES))
            gate = Judging(artifacts, self._scored, remembered(version))
            return gate.judge(desired, version, champion, released)
        except ReconcilerError as error:
            return Unasked(error.message)

    def _cache(self, pointers: list[Pointer]) -> Cache | Unasked:
        """Return a cache that holds all of this content."""
        missing = [p for p in pointers if not self._local.has(p.md5)]
        if not missing:
            return self._local
        if self._offline or not self._remote.configured:
            return Unasked("its predictions are not here")
        size = sum(pointer.size or 0 for pointer in missing)
        left = self._until - time.monotonic()
        if size > _BYTES or left <= 0:
            return Unasked("its predictions are on the remote alone")
        self._remote.fetch(*(p.md5 for p in missing if not self._borrowed.has(p.md5)))
        for pointer in pointers:
            if pointer not in missing:
                self._lend(pointer.md5)
        return self._borrowed

    def _lend(self, md5: str) -> None:
        """Make content of the repository's cache appear in the borrowed one."""
        parts = self._local.files(md5).values() if md5.endswith(".dir") else ()
        for path in (self._local.path(md5), *parts):
            place = self._borrowed.path(path.parent.name + path.name)
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                place.symlink_to(path)
