"""The branch `deployed`: release records and their pointers, one atomic commit at a time.

Everything is read and written as git objects: no checkout, no index, nothing of the user's.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Container, Mapping, Sequence
from datetime import UTC, datetime

from reconciler.adapters import deployed_tree, ref_lock
from reconciler.adapters.dvc_config import Remotes
from reconciler.adapters.git import Git, Person
from reconciler.adapters.layout import REF as REF
from reconciler.adapters.layout import model_of, record_path
from reconciler.adapters.log import Logged, log
from reconciler.adapters.pointers import config_file, same_place
from reconciler.adapters.snapshot import Reader, Snapshot
from reconciler.core.notes import Note, describe, message, noted
from reconciler.core.record import Record
from reconciler.errors import TerminalError, TransientError

IDENTITY = Person("reconciler", "reconciler@localhost")

#: Gives the record after a change; it may be called again when another process was faster.
Change = Callable[[Record | None], Record | None]

#: Moves the branch from a commit (None: it must not exist) to one that follows it, and returns
#: whether it did; otherwise somebody else was faster and their commit can be read.
Move = Callable[[str | None, str], bool]

_MODEL = re.compile(r"[a-z0-9][a-z0-9._-]*")
_RESERVED = frozenset({"dvc", "versions"})  # dvc.yaml is DVC's, versions/ holds the versions
_ATTEMPTS = 100


class AllBut:
    """Every name but some."""

    def __init__(self, names: Container[str]) -> None:
        self._names = names

    def __contains__(self, name: object) -> bool:
        return name not in self._names


class _Request:
    """What one caller wants changed, and what became of it."""

    def __init__(self, changes: Mapping[str, Change], author: Person | None) -> None:
        self.changes = changes
        self.author = author
        self.done = False
        self.error: BaseException | None = None
        self.snapshot = Snapshot(None)


class DeployedStore:
    """Reads and writes the records of one repository; threads and processes may share it.

    Callers in one process that come while a commit is being made, or within `window_s` of the
    last one, share the next commit. Between processes the ref is compared and swapped.

    Args:
        git: The repository.
        ref: The branch, in full.
        remotes: Gives DVC's remotes as they are configured when a commit is made.
        window_s: Least time between two commits, in seconds.
        clock: Gives the time of a commit, aware.
        only: The one model whose record is read and written; None: all are. The others stay as
            they are, and a fleet of thousands costs no more than one model.
        move: How the branch is moved; None: here, and nowhere else.
    """

    def __init__(
        self,
        git: Git,
        ref: str = REF,
        remotes: Callable[[], Remotes] = Remotes,
        window_s: float = 0.2,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        only: str | None = None,
        move: Move | None = None,
    ) -> None:
        self._git = git
        self._move = move or self._move_here
        self._others: Container[str] = () if only is None else AllBut({only})
        self.ref = ref
        self._upstream = f"refs/remotes/origin/{ref.removeprefix('refs/heads/')}"
        self._remotes = remotes
        self._window_s = window_s
        self._clock = clock
        self._latest = Snapshot(None)
        self._reader = Reader(git, ref)
        self._pending: list[_Request] = []
        self._writing = False
        self._turn = threading.Condition()
        self._last_commit = float("-inf")

    def read(self) -> Snapshot:
        """Return every record at the branch's present commit.

        In a clone that has no such branch yet, the one of its `origin` is read.

        A record that cannot be read is quarantined; the others are there.

        Raises:
            TerminalError: `ForeignBranch`: the branch holds something else; `RecordTooNew`.
        """
        commit = self._tip()
        if commit is None:
            return Snapshot(None)
        latest = self._latest
        if latest.commit != commit:
            latest = self._latest = self._reader.read(commit, self._others, keep=True)
        return latest

    def names(self) -> tuple[str, ...]:
        """Return every model that has a record, readable or not, without reading any; sorted."""
        commit = self._tip()
        paths = self._git.level(commit) if commit is not None else {}
        return tuple(sorted(name for path in paths if (name := model_of(path))))

    def record(self, model: str) -> Record | None:
        """Return one record as it stands now; None: there is none that can be read."""
        return self.read_others(AllBut({model})).records.get(model)

    def read_others(self, skip: Container[str], commit: str | None = None) -> Snapshot:
        """Return the records of every model but those of `skip`; see `read`.

        Args:
            skip: Models.
            commit: Where records are read; None: where the branch is.
        """
        commit = commit or self._tip()
        return Snapshot(None) if commit is None else self._reader.read(commit, skip)

    def commit(self, changes: Mapping[str, Change], author: Person | None = None) -> Snapshot:
        """Change records in one commit and return these as the branch has them after it.

        Args:
            changes: By model, what gives the record after the change from the one before (None:
                there is none); returning None removes it, returning it unchanged commits nothing.
            author: The person who asked for it; None: nobody, it follows from what is declared.

        Raises:
            TerminalError: `RecordQuarantined`: a record cannot be read, so it is not overwritten;
                `InvalidName`; `ForeignBranch`.
            TransientError: Others were faster a hundred times, or the ref stays locked.
            ValueError: A change gave the record of another model.
            Exception: What a change raised. Nothing of this call is committed then.
        """
        request = _Request(changes, author)
        with self._turn:
            self._pending.append(request)
            self._turn.wait_for(lambda: request.done or not self._writing)
            leads = not request.done
            self._writing = self._writing or leads
        if leads:
            self._write_pending(request)
        if request.error is not None:
            raise request.error
        return request.snapshot

    def change(self, model: str, change: Change, author: Person | None = None) -> Record | None:
        """Change one record and return it as it stands after the commit; None when removed."""
        return self.commit({model: change}, author).records.get(model)

    def names_remotes(self) -> bool:
        """Return whether the branch names the default remote that is configured now."""
        commit = self._tip()
        if commit is None:
            return True
        (oid,) = self._git.ids([f"{commit}:.dvc/config"])
        named = self._git.blobs([oid])[oid] if oid else b""
        return same_place(named, self._config())

    def name_remotes(self) -> None:
        """Have the branch name DVC's remotes as they are configured now, in a commit of its own.

        Raises:
            TransientError: Others were faster a hundred times, or the ref stays locked.
        """
        self._adopt()
        for _ in range(_ATTEMPTS):
            before = self.read()
            if before.commit is None or self.names_remotes():
                return
            tree = self._tree(before.commit, before.records)
            text = "Name the remotes\n"
            commit = self._git.commit_tree(tree, [before.commit], text, IDENTITY, self._clock())
            if self._move(before.commit, commit):
                return
        raise TransientError(f"{self.ref}: other writers were faster", reason="DeployedBusy")

    def history(self, model: str, most: int | None = None) -> tuple[tuple[Logged, Note], ...]:
        """Return the commits that changed one record, the newest first, and what each did to it.

        Args:
            model: The model's name.
            most: How many at most; None: all.
        """
        commit = self.read().commit
        if commit is None:
            return ()
        logged = log(self._git, commit, (record_path(model),), most)
        return tuple((entry, _note(entry, model)) for entry in logged)

    def _write_pending(self, own: _Request) -> None:
        """Write for everyone who waits; a burst shares commits, a lone caller does not wait."""
        batch = [own]
        try:
            time.sleep(max(0.0, self._last_commit + self._window_s - time.monotonic()))
            with self._turn:
                batch, self._pending = self._pending, []
            self._write(batch)
        except BaseException as error:  # noqa: BLE001 - raised again by everyone who waits
            for request in batch:
                request.error = request.error or error
        finally:
            self._last_commit = time.monotonic()
            with self._turn:
                self._pending = [request for request in self._pending if request not in batch]
                for request in batch:
                    request.done = True
                self._writing = False
                self._turn.notify_all()

    def _tip(self) -> str | None:
        return self._git.read_ref(self.ref) or self._git.read_ref(self._upstream)

    def _adopt(self) -> None:
        """Begin where the remote's branch is, so that a fresh clone goes on with its history."""
        if self._git.read_ref(self.ref) is None:
            commit = self._git.read_ref(self._upstream)
            if commit is not None:
                self._move_here(None, commit)

    def _write(self, batch: Sequence[_Request]) -> None:
        self._adopt()
        touched = AllBut({name for request in batch for name in request.changes})
        for attempt in range(_ATTEMPTS):
            before = self.read_others(touched)
            after = _applied(before, batch)
            written = self._write_once(before, after, _author(batch))
            if written is not None:
                for request in batch:
                    request.snapshot = Snapshot(
                        written or None, after, before.quarantined, before.commit
                    )
                return
            time.sleep(random.uniform(0, 0.005 * min(attempt + 1, 20)))  # noqa: S311
        raise TransientError(f"{self.ref}: other writers were faster", reason="DeployedBusy")

    def _write_once(
        self, before: Snapshot, after: Mapping[str, Record], author: Person | None
    ) -> str | None:
        """Return the commit with `after` (empty when there is none); None when outrun."""
        names = sorted(before.records.keys() | after.keys())
        changed = [n for n in names if before.records.get(n) != after.get(n)]
        if not changed:
            return before.commit or ""
        tree = self._tree(before.commit, {name: after.get(name) for name in changed})
        notes = [describe(n, before.records.get(n), after.get(n)) for n in changed]
        commit = self._commit(tree, before.commit, notes, author)
        return commit if self._move(before.commit, commit) else None

    def _move_here(self, old: str | None, new: str) -> bool:
        """Move the ref; a lock that another writer holds means that it is faster."""
        try:
            return self._git.update_ref(self.ref, new, old)
        except TransientError as error:
            if error.reason != "Locked":
                raise
            ref_lock.wait(self._git.common_dir, self.ref)
            return False

    def _commit(
        self, tree: str, parent: str | None, notes: Sequence[Note], author: Person | None
    ) -> str:
        parents = [] if parent is None else [parent]
        return self._git.commit_tree(tree, parents, message(notes), IDENTITY, self._clock(), author)

    def _tree(self, commit: str | None, changed: Mapping[str, Record | None]) -> str:
        def every() -> Mapping[str, Record]:
            return {} if commit is None else self._reader.read(commit).records

        return deployed_tree.write(self._git, commit, changed, every, self._config())

    def _config(self) -> bytes:
        found = self._remotes()
        return config_file(found.options, found.default)


def _note(entry: Logged, model: str) -> Note:
    """Return what a commit says of a model; of one that a person made by hand, its subject."""
    by_hand = Note(model, entry.message.partition("\n")[0], ())
    return noted(entry.message, model) or by_hand


def _author(batch: Sequence[_Request]) -> Person | None:
    """Return the person behind all of a commit; None: several, or none."""
    authors = {request.author for request in batch}
    return authors.pop() if len(authors) == 1 else None


def _applied(before: Snapshot, batch: Sequence[_Request]) -> dict[str, Record]:
    """Return the records after all requests; one that fails is left out as a whole."""
    after = dict(before.records)
    for request in batch:
        request.error = None
        draft = dict(after)
        try:
            for name, change in request.changes.items():
                _check_writable(name, before)
                record = change(draft.get(name))
                draft.pop(name, None)
                if record is not None:
                    _check_own(name, record)
                    draft[name] = record
        except Exception as error:  # noqa: BLE001 - raised again in the thread that asked
            request.error = error
        else:
            after = draft
    return dict(sorted(after.items()))


def _check_writable(name: str, before: Snapshot) -> None:
    if not _MODEL.fullmatch(name) or name in _RESERVED:
        raise TerminalError(f"{name!r} cannot name a record", reason="InvalidName")
    if name in before.quarantined:
        raise TerminalError(
            f"the record of {name} cannot be read: {before.quarantined[name]}",
            reason="RecordQuarantined",
            hint=f"mend {name}.yaml on the branch of records, or revert the commit that broke it",
        )


def _check_own(name: str, record: Record) -> None:
    if record.model != name:
        raise ValueError(f"a record of {record.model!r} was given for {name!r}")
