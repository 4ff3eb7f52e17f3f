"""A reader of all that others may read, at work while a run is cut and started again."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from reconciler.adapters.cache import Cache
from reconciler.adapters.git import Git
from reconciler.adapters.layout import REF, production_path, version_path
from reconciler.adapters.pointers import champion_file, version_files
from reconciler.adapters.snapshot import Reader as Records
from reconciler.bundle.manifest import verify
from reconciler.core.record import Record
from reconciler.errors import ReconcilerError

_PAUSE_S = 0.004


class Reader:
    """Looks at the branch, the export and the target all the time; for use in a `with` block."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._git = Git.open(root)
        self._records = Records(self._git, REF)
        stores = (root / ".dvc" / "cache", root.parent / "remote")
        self._stores = [Cache(store) for store in stores if store.is_dir() or store == stores[0]]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reader")
        self._seen: dict[str, str] = self._links()
        self._tip = self._read_tip()
        self.faults: list[str] = []
        """What was seen half-written."""
        self.commits = 0
        """How many commits were looked at."""

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._look()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._look()
            time.sleep(_PAUSE_S)

    def _look(self) -> None:
        try:
            self._look_at_branch()
            self._look_at_links()
        except (ReconcilerError, OSError, ValueError, AssertionError) as error:
            self.faults.append(f"{type(error).__name__}: {error}")

    def _read_tip(self) -> str | None:
        try:
            return (self._root / ".git" / REF).read_text()
        except FileNotFoundError:
            return None

    def _look_at_branch(self) -> None:
        if (tip := self._read_tip()) == self._tip:
            return
        before, self._tip = self._tip, tip
        assert tip is not None, "the branch is gone"
        assert len(tip) == 41, f"the ref holds {tip!r}"
        commit = tip.strip()
        if before is not None:
            self._git.text("merge-base", "--is-ancestor", before.strip(), commit)
        self._git.text("rev-list", "--objects", commit)  # fails where an object is missing
        snapshot = self._records.read(commit)
        assert not snapshot.quarantined, f"{commit}: {dict(snapshot.quarantined)}"
        for record in snapshot.records.values():
            self._check(commit, record)
        self.commits += 1

    def _check(self, commit: str, record: Record) -> None:
        name = record.model
        wanted = {production_path(name): champion_file(record)} | {
            version_path(name, int(file.partition(".")[0])) + ".dvc": text
            for file, text in version_files(record).items()
        }
        for path, text in wanted.items():
            found = self._git.ids([f"{commit}:{path}"])[0]
            assert found == (None if text is None else self._git.blob_id(text)), f"{commit}:{path}"
        for version in record.versions:
            for pointer in (version.bundle, version.predictions, version.prepared):
                for store in self._stores:
                    assert pointer is None or store.has(pointer.md5), f"{name}: {pointer}"

    def _links(self) -> dict[str, str]:
        links = [self._root / "deployed", *(self._root / "releases").glob("*/current")]
        found = {}
        for link in links:
            with suppress(FileNotFoundError):  # withdrawn while we look
                found[str(link)] = str(link.readlink())
        return found

    def _look_at_links(self) -> None:
        links = self._links()
        for path, to in links.items():
            if self._seen.get(path) == to:
                continue
            folder = Path(path).parent / to
            if path.endswith("current"):
                verify(folder)
            else:
                assert all(file.read_text().endswith("\n") for file in folder.iterdir())
        self._seen = links
