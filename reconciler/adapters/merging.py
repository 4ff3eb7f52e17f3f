"""The merge driver: what git needs to know so that it merges what is generated per model.

The driver brings the three versions of a file as close as it can, and git's own merge by line
does the rest. Where the driver cannot be run, git merges by line alone: a conflict at worst.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.compilation import LOCK, PARAMS, SETTINGS
from reconciler.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.adapters.git import Git

#: Files that the driver merges: each has one block or line per model.
MERGED = (LOCK, PARAMS, SETTINGS)

_NAME = "reconciler"
#: Where `dvc add data/TABLE` writes a line per table, in every branch at the same place; lines
#: that only add up are git's own to merge.
_IGNORED = "data/.gitignore"
_DRIVERS = {**dict.fromkeys(MERGED, _NAME), _IGNORED: "union"}
_BY_LINE = "git merge-file --marker-size=%L -L ours -L base -L theirs %A %O %B"


def install_merging(git: Git) -> tuple[str, ...]:
    """Make git merge the lock and the settings per model, here and in clones that do the same.

    What is set already is left as it is, another merge driver of the user's included.

    Returns:
        What was written: paths of files relative to the root, and `.git/config`.

    Raises:
        TransientError: A file cannot be written.
    """
    said = git.text("check-attr", "-z", "merge", "--", *_DRIVERS).split("\0")
    free = [path for path, value in zip(said[::3], said[2::3], strict=False) if value in _UNSET]
    written = _append(git.root / ".gitattributes", (f"/{p} merge={_DRIVERS[p]}" for p in free))
    settings = {"name": "one block or line per model", "driver": _driver()}
    known = git.text("config", "--local", "--list", "-z").split("\0")
    stale = {k: v for k, v in settings.items() if f"merge.{_NAME}.{k}\n{v}" not in known}
    for key, value in stale.items():
        git.text("config", "--local", f"merge.{_NAME}.{key}", value)
    return (*([".gitattributes"] if written else []), *([".git/config"] if stale else []))


def missing(git: Git) -> bool:
    """Return whether this clone lacks the driver that its `.gitattributes` names.

    Raises:
        UsageError: It is bare: nobody merges there.
    """
    try:
        named = f"merge={_NAME}" in (git.root / ".gitattributes").read_text(encoding="utf-8")
        return named and f'[merge "{_NAME}"]' not in (git.common_dir / "config").read_text()
    except (OSError, UnicodeDecodeError):
        return False


_UNSET = ("unspecified", "set")


def _driver() -> str:
    """Return the command that git runs; the program by its place, for git may lack our PATH."""
    beside = Path(sys.executable).with_name(_NAME)
    program = shlex.quote(str(beside)) if beside.is_file() else _NAME
    return f"{program.replace('%', '%%')} merge-driver %O %A %B %P; {_BY_LINE}"


def _append(path: Path, lines: Iterable[str]) -> bool:
    """Add lines to the end of a file, or make it; return whether there was any to add."""
    text = "".join(f"{line}\n" for line in lines)
    if not text:
        return False
    try:
        before = path.read_bytes() if path.exists() else b""
        gap = b"" if not before or before.endswith(b"\n") else b"\n"
        aside = path.with_name(f"{path.name}.new")
        aside.write_bytes(before + gap + text.encode())
        aside.replace(path)
    except OSError as error:
        raise TransientError(
            f"{path} cannot be written: {error.strerror}",
            reason="NotWritable",
            hint="check the file's owner and the free space",
        ) from error
    return True
