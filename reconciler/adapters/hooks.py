"""Hooks: the files that git runs, put in place beside those of others and taken away again.

A hook that was there is kept under another name beside ours, which calls it first. Folders of
hooks that another tool manages are left alone.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from reconciler.adapters.git import Git
from reconciler.core.hook_script import FORMER, FRAMEWORK, Hook, made_here, script, untouched
from reconciler.errors import ReconcilerError, TransientError, UsageError

_PROGRAM = "reconciler"
#: Behind the name of a hook that the pre-commit framework has found in its place.
_LEGACY = ".legacy"


class State(StrEnum):
    """How a hook stands."""

    NONE = "not installed"
    OURS = "installed"
    BENEATH = "installed, another tool's hook runs first"
    OLD = "installed, and not as this version makes it"
    EDITED = "installed, and edited by hand"
    FOREIGN = "another tool's"


@dataclass(frozen=True, slots=True)
class Place:
    """One hook of a repository."""

    hook: Hook
    path: Path
    """Where ours is, or would be."""
    state: State
    former: Path
    """Where a hook that was there before is kept, whether or not there is one."""

    @property
    def chained(self) -> bool:
        """Whether a hook that was there before is kept."""
        return self.former.is_symlink() or self.former.exists()


def places(git: Git) -> tuple[Place, ...]:
    """Return every hook of ours, as it stands.

    Raises:
        UsageError: `ForeignHooks`: git looks for hooks in a folder that is not the repository's;
            or the repository is bare.
    """
    folder, program = _folder(git), _program()
    return tuple(_place(folder, hook, script(hook, program)) for hook in Hook)


def install(found: tuple[Place, ...]) -> Iterator[tuple[Place, bool]]:
    """Put every hook in place, and give each with whether anything was written for it.

    Raises:
        UsageError: One cannot be, and none was written: somebody has edited it, or two hooks
            that were there before would have to be kept.
        TransientError: The folder cannot be written.
    """
    for place in found:
        if place.state is State.EDITED:
            raise _edited(place)
        if place.state is State.FOREIGN and place.chained:
            raise UsageError(
                f"{place.path} is another tool's hook, and {place.former.name} beside it is one "
                "from before: only one can be kept",
                reason="TwoHooks",
                hint="join them in one file, and delete the other",
            )
    for place in found:
        written = place.state not in (State.OURS, State.BENEATH)
        if written:
            with _careful(place.path):
                _write(place)
        yield place, written


def remove(found: tuple[Place, ...]) -> Iterator[tuple[Place, bool]]:
    """Take every hook of ours away, and give each with whether it was there.

    What was there before is there again, byte for byte.

    Raises:
        UsageError: One was edited by hand; none was taken away.
        TransientError: The folder cannot be written.
    """
    for place in found:
        if place.state is State.EDITED:
            raise _edited(place)
    for place in found:
        there = place.state not in (State.NONE, State.FOREIGN)
        if there or (place.state is State.NONE and place.chained):
            with _careful(place.path):
                _restore(place)
        yield place, there


def _folder(git: Git) -> Path:
    """Return the folder of the repository's hooks, which all of its working trees share."""
    top, own = git.root, git.common_dir / "hooks"  # a bare repository has no commits to check
    listed = git.text("config", "--type=path", "--show-scope", "-z", "--get-all", "core.hooksPath")
    parts = listed.split("\0")
    # the last scope is our own command's, by which no hook runs on it
    set_to = [v for s, v in zip(parts[::2], parts[1::2], strict=False) if s != "command"]
    there = top / set_to[-1] if set_to else own
    if there.resolve() == own and not own.is_symlink():
        return own
    raise UsageError(
        f"git looks for hooks in {there}, which another tool or you yourself look after",
        reason="ForeignHooks",
        hint="add to its pre-commit `reconciler hook pre-commit`,"
        " and to its post-merge `reconciler hook post-merge`",
    )


def _place(folder: Path, hook: Hook, wanted: bytes) -> Place:
    path, former = folder / hook.value, folder / f"{hook}{FORMER}"
    beneath = folder / f"{hook}{_LEGACY}"
    held = _read(path)
    if held is not None and not made_here(held):
        below = _read(beneath)
        if below is not None and made_here(below):
            state = _state(below, wanted)
            state = State.BENEATH if state is State.OURS else state
            return Place(hook, beneath, state, former)
    return Place(hook, path, _state(held, wanted), former)


def _state(held: bytes | None, wanted: bytes) -> State:
    if held is None:
        return State.NONE
    if not made_here(held):
        return State.FOREIGN
    if held == wanted:
        return State.OURS
    return State.OLD if untouched(held) else State.EDITED


def _read(path: Path) -> bytes | None:
    """Return what stands at a path; None when nothing does."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b"" if path.is_symlink() else None  # a link that leads nowhere is somebody's, too
    except OSError as error:
        raise _failed(path, error) from error


def _write(place: Place) -> None:
    place.path.parent.mkdir(exist_ok=True)
    aside = place.path.with_name(f".{place.path.name}.new")
    aside.write_bytes(script(place.hook, _program()))
    aside.chmod(0o755)
    if place.state is State.FOREIGN:
        place.path.rename(place.former)
    aside.replace(place.path)


def _restore(place: Place) -> None:
    if not place.chained:
        place.path.unlink()
        return
    above = place.path.with_name(place.hook.value)
    if above != place.path and _generated(above) and _generated(place.former):
        place.former.unlink()  # the same framework was put in place again: once is enough
        place.path.unlink()
    else:
        place.former.replace(place.path)


def _generated(path: Path) -> bool:
    return FRAMEWORK.encode() in (_read(path) or b"")


@contextmanager
def _careful(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _failed(path, error) from error


def _failed(path: Path, error: OSError) -> ReconcilerError:
    return TransientError(
        f"{path} cannot be read or written: {error.strerror}",
        reason="NotWritable",
        hint="check the folder's owner and the free space",
    )


def _edited(place: Place) -> UsageError:
    return UsageError(
        f"{place.path} was made by the reconciler and has been edited since",
        reason="HookEdited",
        hint="keep your lines elsewhere and delete it; then this again",
    )


def _program() -> str:
    """Return the reconciler's own place: git may lack our PATH."""
    beside = Path(sys.executable).with_name(_PROGRAM)
    return str(beside) if beside.is_file() else (shutil.which(_PROGRAM) or _PROGRAM)
