"""Snapshots: every record of the branch `deployed` at one commit, whatever is wrong with some."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.adapters.git import Git
from reconciler.adapters.layout import LAYOUT, MARK, OLDER, model_of
from reconciler.core.record import Record
from reconciler.core.recordtext import ForeignTextError, loads
from reconciler.core.stored import from_plain
from reconciler.errors import ReconcilerError, TerminalError

_FILE = "100644"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The branch at one commit."""

    commit: str | None
    """None: there is no branch yet."""
    records: Mapping[str, Record] = field(default_factory=dict)
    quarantined: Mapping[str, str] = field(default_factory=dict)
    """What is wrong with each record that cannot be read, by model."""
    parent: str | None = None
    """Of one that was just committed: the commit that it was made on."""


class Reader:
    """Reads snapshots; a record that two of them share is parsed once.

    Args:
        git: The repository.
        ref: The branch, in full, for messages.
    """

    def __init__(self, git: Git, ref: str) -> None:
        self._git = git
        self._ref = ref
        self._parsed: dict[str, Record | str] = {}

    def read(self, commit: str, skip: Container[str] = (), *, keep: bool = False) -> Snapshot:
        """Return the records at `commit`, but those of the models `skip`.

        What cannot be read is quarantined. With `keep`, they are remembered until the next one
        that is kept.

        Raises:
            TerminalError: `ForeignBranch`: this is no branch of records; `RecordTooNew`: all of it
                has a layout of a newer reconciler.
        """
        entries = self._git.level(commit)
        self._check_layout(entries[MARK].oid if MARK in entries else None)
        ids = {
            name: entry.oid
            for path, entry in entries.items()
            if (name := model_of(path)) and entry.mode == _FILE and name not in skip
        }
        parsed = self._parse(ids.values(), keep=keep)
        found = {name: parsed[oid] for name, oid in sorted(ids.items())}
        records = {n: r for n, r in found.items() if isinstance(r, Record) and r.model == n}
        problems = {n: _problem(n, r) for n, r in found.items() if n not in records}
        return Snapshot(commit, records, problems)

    def _check_layout(self, mark: str | None) -> None:
        if mark is None:
            raise TerminalError(
                f"{self._ref} holds something else than release records",
                reason="ForeignBranch",
                hint="rename that branch",
            )
        if mark not in (self._git.blob_id(LAYOUT), self._git.blob_id(OLDER)):
            raise TerminalError(
                f"{self._ref} was laid out by a newer reconciler",
                reason="RecordTooNew",
                hint="upgrade reconciler",
            )

    def _parse(self, oids: Iterable[str], *, keep: bool) -> dict[str, Record | str]:
        """Return each record, parsed now or remembered."""
        wanted, known = set(oids), self._parsed
        new = self._git.blobs(wanted - known.keys())
        with _undisturbed():
            parsed = {oid: known[oid] if oid in known else _parsed(new[oid]) for oid in wanted}
        if keep:
            self._parsed = parsed
        return parsed


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Pause the search for cycles: records have none, and it would take longer than parsing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _parsed(content: bytes) -> Record | str:
    """Return the record; what is wrong with it when it is none."""
    try:
        return _record(content.decode())
    except UnicodeDecodeError:
        return "it is not UTF-8"
    except RecursionError:
        return "it is nested too deeply"
    except ReconcilerError as error:
        return str(error)


def _record(text: str) -> Record:
    """Return the record of a text, also of one that a person has mended by hand."""
    try:
        return from_plain(loads(text), canonical=True)
    except ForeignTextError:
        from reconciler.spec.yaml import load  # a parser that is rarely needed

        return from_plain(load(text, "the record").data)


def _problem(name: str, found: Record | str) -> str:
    return found if isinstance(found, str) else f"it is the record of {found.model!r}, not {name!r}"
