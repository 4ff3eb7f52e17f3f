"""Slots: a few plain folders in which DVC runs, one model at a time, away from the user's tree.

A slot is no git worktree: its files come from git's objects and DVC runs in it without git, so
nothing is registered under the user's `.git` and a crash leaves nothing there to prune.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
import zlib
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from reconciler.adapters import dvc_config
from reconciler.adapters.process import Identity, end_orphan
from reconciler.core.retention import Stored
from reconciler.errors import SpecError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from threading import Event
    from typing import IO

    from reconciler.adapters.git import Git
    from reconciler.adapters.git_output import Entry

_POLL_S = 0.05
_LARGE_BYTES = 1 << 20
_NEVER = frozenset({".git", ".dvc", ".reconciler", "__pycache__"})
_LOCKS = ("lock", "rwlock", "rwlock.lock")


class SlotPool:
    """The slots of one repository, shared by all processes that work on it.

    Args:
        base: The folder of the slots, such as `.reconciler/slots`.
        size: How many there are, at least 1.
        root: The user's working tree, whose DVC settings hold in every slot.
    """

    def __init__(self, base: Path, size: int, root: Path) -> None:
        self._base = base
        self._size = size
        self._root = root

    @contextlib.contextmanager
    def lease(
        self, model: str = "", wait_s: float = 60.0, stop: Event | None = None
    ) -> Iterator[Slot]:
        """Give a slot that nobody else uses for the length of the block.

        What a former lease left running there is ended first, and its locks are removed.

        Args:
            model: Who it is for: the same model gets the same slot when that is free, and with
                it what need not be copied again.
            wait_s: Seconds to wait for a free one.
            stop: Ends the waiting once it is set.

        Raises:
            TransientError: Every slot is taken for longer than that, or cannot be written, or the
                waiting was stopped.
            UsageError: The repository has no DVC.
        """
        self.end_orphans()
        deadline = time.monotonic() + wait_s
        first = zlib.crc32(model.encode())
        homes = [self._base / str((first + n) % self._size) for n in range(self._size)]
        while True:
            for home in homes:
                with _locked(home) as mine:
                    if mine:
                        slot = Slot(home)
                        slot._tidy(self._root)
                        slot._lend(model)
                        yield slot
                        return
            if stop is not None and stop.is_set():
                raise TransientError("a slot is not needed any more", reason="Cancelled")
            if time.monotonic() >= deadline:
                raise TransientError(
                    f"all {self._size} slots of {self._base} are taken", reason="NoFreeSlot"
                )
            time.sleep(_POLL_S)

    def idle(self) -> Iterator[Stored]:
        """Give every slot that nobody holds now, of a larger pool too; its age is its last use."""
        for lock in sorted(self._base.glob("*/lock")):
            home = lock.parent
            with _locked(home) as mine:
                if mine:
                    size = sum(p.lstat().st_size for p in home.rglob("*") if p.is_file())
                    ledger = home / "files.json"  # written by every lease
                    used = (ledger if ledger.exists() else lock).stat().st_mtime
                    yield Stored(frozenset({home.name}), home, size, used)

    def discard(self, home: Path) -> None:
        """Delete a slot, unless somebody holds it by now; a lease makes it anew."""
        with _locked(home) as mine, _writing(home):
            if mine:
                Slot(home)._end_orphan()
                shutil.rmtree(home)

    def leases(self) -> dict[str, datetime]:
        """Return the models that have a slot now, in any process, and since when."""
        found = {}
        for note in sorted(self._base.glob("*/lease.json")):
            with _locked(note.parent) as free:
                if free:
                    continue
            with contextlib.suppress(OSError, ValueError, KeyError):
                plain = json.loads(note.read_text(encoding="utf-8"))
                found[str(plain["model"])] = datetime.fromisoformat(plain["since"])
        return found

    def end_orphans(self) -> int:
        """End what a killed process left running in any slot that nobody holds now.

        Slots of an earlier, larger pool are looked after too.

        Returns:
            The number of processes that were ended.
        """
        ended = 0
        for group in sorted(self._base.glob("*/group.json")):
            with _locked(group.parent) as mine:
                ended += Slot(group.parent)._end_orphan() if mine else 0
        return ended


class Slot:
    """One folder in which DVC runs; only to be used inside its lease."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._group = home / "group.json"
        self._ledger = home / "files.json"
        self.root = home / "tree"
        """Where the files are and DVC runs."""

    def fill(
        self, git: Git, revision: str, paths: Iterable[str], overlays: Mapping[str, bytes]
    ) -> None:
        """Make the slot hold exactly these files; what is there already is not written again.

        Args:
            git: The repository.
            revision: Where `paths` come from.
            paths: Files of the revision; those below `.dvc/` are left out, for the slot has
                settings of its own.
            overlays: Further files by path, or other content for some of `paths`.

        Raises:
            UsageError: A path is not in the revision.
            SpecError: A file would come to lie outside of the slot.
            TransientError: The slot cannot be written.
        """
        tree = git.tree(revision)
        wanted = {path for path in paths if not path.startswith(".dvc/")} - set(overlays)
        marks = _marks(tree, wanted)
        with _writing(self.root):
            known = self._unchanged(marks)
            self._ledger.unlink(missing_ok=True)
            self._clear(known | set(overlays))
            if missing := sorted(wanted - known):
                git.fill(revision, missing, self.root)
            for path, content in overlays.items():
                self._overlay(path, content)
            self._remember(marks)

    def take(
        self,
        root: Path,
        paths: Iterable[str],
        overlays: Mapping[str, bytes],
        *,
        linked: bool = True,
    ) -> None:
        """Make the slot hold exactly these files of a working tree, as they stand on disk.

        Args:
            root: The working tree.
            paths: Files and folders of it; those that do not exist are left out.
            overlays: Further files by path, or other content for some of `paths`.
            linked: Whether large files may be links: what runs here only reads them.

        Raises:
            TransientError: The slot cannot be written.
        """
        with _writing(self.root):
            self._ledger.unlink(missing_ok=True)
            self._clear(set())
            for path in paths:
                _bring(root / path, self.root / path, linked)
            for path, content in overlays.items():
                self._overlay(path, content)

    def record(self, identity: Identity) -> None:
        """Write down who is about to run here, for whoever leases the slot after a crash."""
        aside = self._group.with_suffix(".new")
        aside.write_text(identity.to_json(), encoding="utf-8")
        aside.replace(self._group)

    def forget(self) -> None:
        """Strike out who ran here: all of it has ended.

        Raises:
            TransientError: The slot cannot be written.
        """
        with _writing(self._home):
            self._group.unlink(missing_ok=True)

    def _end_orphan(self) -> int:
        try:
            identity = Identity.from_json(self._group.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return 0
        ended = 0 if identity is None else end_orphan(identity)
        self.forget()
        return ended

    def _tidy(self, root: Path) -> None:
        """End an orphan, remove its locks, and bring the settings up to date."""
        with _writing(self.root):
            self._end_orphan()
            for name in _LOCKS:
                (self.root / ".dvc" / "tmp" / name).unlink(missing_ok=True)
            settings = dvc_config.for_slot(root, self._home / "site")
            self._write(self.root / ".dvc" / "config", settings.encode(), mode=0o600)

    def _lend(self, model: str) -> None:
        """Write down who the lease is for; it counts while the lock is held."""
        plain = {"model": model, "since": datetime.now(UTC).isoformat(timespec="seconds")}
        self._write(self._home / "lease.json", json.dumps(plain).encode())

    def _unchanged(self, marks: Mapping[str, str]) -> set[str]:
        """Return the paths that still are as an earlier lease has written them."""
        try:
            ledger = json.loads(self._ledger.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return set()
        return {
            path
            for path, mark in marks.items()
            if ledger.get(path) == [mark, *_state(self.root / path)]
        }

    def _remember(self, marks: Mapping[str, str]) -> None:
        ledger = {path: [mark, *_state(self.root / path)] for path, mark in marks.items()}
        self._ledger.write_text(json.dumps(ledger), encoding="utf-8")

    def _clear(self, keep: set[str]) -> None:
        """Remove every file and link but those to keep, and every folder that is then empty."""
        folders = {str(parent) for path in keep for parent in PurePosixPath(path).parents}
        for folder, names, files in os.walk(self.root):
            here = Path(folder).relative_to(self.root)
            if here == Path():
                names.remove(".dvc")
            for name in (*names, *files):
                path = Path(folder) / name
                relative = (here / name).as_posix()
                if path.is_symlink() or name in files:
                    if relative not in keep:
                        path.unlink()
                elif relative not in folders:
                    shutil.rmtree(path)
            names[:] = [name for name in names if (here / name).as_posix() in folders]

    def _overlay(self, path: str, content: bytes) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.parent.resolve().is_relative_to(self.root.resolve()):
            raise SpecError(f"{path} leads out of the repository by a link", reason="PathEscapes")
        self._write(place, content)

    def _write(self, path: Path, content: bytes, mode: int = 0o644) -> None:
        if not path.is_symlink() and path.is_file() and path.read_bytes() == content:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.new")
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(content)
        aside.replace(path)


def _bring(source: Path, place: Path, linked: bool) -> None:
    """Copy or link a file, or every file of a folder."""
    if source.is_dir():
        for entry in source.iterdir():
            if entry.name not in _NEVER:
                _bring(entry, place / entry.name, linked)
    elif source.exists() and not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        if linked and source.stat().st_size > _LARGE_BYTES:
            with contextlib.suppress(OSError):  # another file system: copied
                place.hardlink_to(source.resolve())
                return
        shutil.copy2(source, place)


def _marks(tree: Mapping[str, Entry], paths: Iterable[str]) -> dict[str, str]:
    """Return what decides the bytes of each path: its object, and the attributes around it."""
    attributes = [e.oid for p, e in tree.items() if PurePosixPath(p).name == ".gitattributes"]
    around = ",".join(attributes)
    return {p: f"{tree[p].mode} {tree[p].oid} {around}" if p in tree else "" for p in paths}


def _state(path: Path) -> list[int]:
    try:
        found = path.lstat()
    except OSError:
        return []
    return [found.st_mtime_ns, found.st_size, found.st_ino]


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[bool]:
    """Hold the slot's lock if it is free; the kernel frees it however this process ends."""
    with _writing(home):
        home.mkdir(parents=True, exist_ok=True)
        lock = (home / "lock").open("ab")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield _still(home, lock)


def _still(home: Path, lock: IO[bytes]) -> bool:
    """Return whether a lock is the slot's own: whoever discarded the slot took that along."""
    try:
        return os.path.samestat(os.fstat(lock.fileno()), (home / "lock").stat())
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TransientError(
            f"the slot {folder} cannot be written: {error}",
            reason="NotWritable",
            hint="check the free space and the folder's owner",
        ) from error
