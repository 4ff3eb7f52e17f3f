"""What git says, taken apart: listings, batches of objects, and the reasons why it failed."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reconciler.errors import TerminalError, TransientError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_REPORT = re.compile("fast-import: dumping crash report to (.+)")
_FULL = re.compile("No space left|Out of diskspace|Disk quota exceeded")
_CLOSED = re.compile(
    "Read-only file system|Permission denied|insufficient permission|Operation not permitted"
    "|Input/output error"
)
_ENTRY = re.compile(r"(\d+) \w+ (\w+)\t([^\0]+)\0")


class Entry(NamedTuple):
    """What stands at one path of a tree."""

    mode: str
    """Six octal digits: `100644` file, `100755` program, `120000` link, `160000` submodule."""
    oid: str
    """Object id, in lower-case hexadecimal digits."""


def entries(listing: bytes) -> dict[str, Entry]:
    """Return what `ls-tree -z` lists, by path."""
    return {path: Entry(mode, oid) for mode, oid, path in _ENTRY.findall(os.fsdecode(listing))}


def level(tree: bytes, width: int) -> dict[str, Entry]:
    """Return the entries of a tree object, whose ids are `width` bytes wide, by name."""
    found, at = {}, 0
    while at < len(tree):
        end = tree.index(b"\0", at)
        mode, _, name = tree[at:end].partition(b" ")
        oid = tree[end + 1 : end + 1 + width].hex()
        found[os.fsdecode(name)] = Entry(mode.decode().zfill(6), oid)
        at = end + 1 + width
    return found


def blobs(data: bytes, wanted: Sequence[str], place: Path) -> dict[str, bytes]:
    """Return the contents in what `cat-file --batch` gave for the ids `wanted`, by id.

    Raises:
        TerminalError: One is not in the repository (a shallow or partial clone).
    """
    found, at = {}, 0
    for oid in wanted:
        end = data.index(b"\n", at)
        header = data[at:end].split(b" ")
        if len(header) != 3:
            raise TerminalError(
                f"object {oid} is not in {place}",
                reason="ObjectMissing",
                hint="fetch the whole history: `git fetch --unshallow`",
            )
        size = int(header[2])
        found[oid] = data[end + 1 : end + 1 + size]
        at = end + size + 2
    return found


def is_full(revision: str) -> bool:
    """Return whether a revision is a full object id."""
    return len(revision) in (40, 64) and not set(revision) - set("0123456789abcdef")


def not_opened(path: Path, code: int, stderr: bytes) -> UsageError | TransientError | TerminalError:
    """Return why git finds no working tree at `path`."""
    if b"not a git repository" in stderr:
        return UsageError(
            f"{path} is not in a git repository",
            reason="NotARepository",
            hint="run `reconciler init` there, or change into a repository",
        )
    if b"must be run in a work tree" in stderr:
        return UsageError(
            f"{path} is git's own folder, and no working tree",
            reason="NoWorkingTree",
            hint="run in the folder that it is in",
        )
    return failure("rev-parse", path, code, stderr)


def bare(place: Path) -> UsageError:
    """Return that something needs a working tree, and the repository at `place` has none."""
    return UsageError(
        f"{place} is a bare repository: it has no working tree, and this needs one",
        reason="BareRepository",
        hint="run it in a clone, and push what comes of it",
    )


def no_commit(place: Path, *, bare: bool) -> UsageError:
    """Return that HEAD of the repository at `place` is no commit."""
    if not bare:
        said, hint = f"{place} has no commit yet", "commit your specs"
    else:
        said = f"HEAD of {place} is a branch that has no commit yet"
        hint = "push to it; or choose another: --rev BRANCH, `git symbolic-ref HEAD refs/heads/…`"
    return UsageError(said, reason="NoCommits", hint=hint)


def crash(
    place: Path, code: int, stderr: bytes
) -> tuple[UsageError | TransientError | TerminalError, Path | None]:
    """Return why fast-import failed in `place`, and the report that it has left, if any."""
    lines = stderr.decode(errors="replace").splitlines()
    found = [match for line in lines if (match := _REPORT.match(line))]
    rest = "\n".join(line for line in lines if not _REPORT.match(line))
    report = place / found[-1][1] if found else None
    return failure("fast-import", place, code, rest.encode()), report


def failure(
    command: str, place: Path, code: int, stderr: bytes
) -> UsageError | TransientError | TerminalError:
    """Return why a git command failed in `place`."""
    said = stderr.decode(errors="replace").strip() or f"exit status {code}"
    message = f"git {command} in {place}: {said}"
    if code < 0:  # which says nothing of what it was asked
        return TransientError(f"git {command} in {place} was killed", reason="Killed")
    if "dubious ownership" in said:
        hint = f"run `git config --global --add safe.directory {place}` if you trust it"
        return UsageError(message, reason="NotTrusted", hint=hint)
    if _FULL.search(said):
        return TransientError(message, reason="DiskFull", hint="free some space")
    if ".lock': File exists" in said:
        hint = "another git runs there; if none does, delete the lock that it names"
        return TransientError(message, reason="Locked", hint=hint)
    if _CLOSED.search(said):
        hint = "check who owns the repository, and how its disk is mounted"
        return TransientError(message, reason="NotWritable", hint=hint)
    return TerminalError(message, reason="GitFailed")
