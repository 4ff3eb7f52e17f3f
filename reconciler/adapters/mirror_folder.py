"""The folder of a mirror: a bare repository of our own, made whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.adapters import git_output, process
from reconciler.adapters.git_environment import OPTIONS, environment
from reconciler.adapters.layout import REF
from reconciler.adapters.secrets import without_secrets
from reconciler.errors import TransientError, UsageError

_MARK = "reconciler.mirrorOf"
_STALE_S = 5.0  # git holds a lock for milliseconds, and only we work here


def default(url: str, what: str = "") -> Path:
    """Return where the mirror of a URL is kept when nobody says where: among the user's own.

    Args:
        url: The remote.
        what: Tells mirrors of one remote apart that are not for the same.
    """
    from platformdirs import user_state_path

    name = without_secrets(url)
    last = re.sub(r"[^A-Za-z0-9._-]+", "-", name.rstrip("/").removesuffix(".git").split("/")[-1])
    short = hashlib.sha256(name.encode()).hexdigest()[:8]
    return user_state_path("reconciler") / f"{last}-{short}{what}.git"


def prepare(folder: Path, url: str, branch: str | None) -> None:
    """Have `folder` be a mirror of `url` that follows `branch`; it need not exist.

    Args:
        folder: Where the bare repository is. What a killed run left half-made is replaced.
        url: The remote. What it says of who asks is not kept.
        branch: The branch, without `refs/heads/`; None: there is none to follow.

    Raises:
        UsageError: The folder holds something else; the branch cannot be followed.
        TransientError: The folder cannot be written.
    """
    if branch is not None:
        _check(branch)
    name = without_secrets(url)
    try:
        with _alone(folder.parent):
            if not folder.exists() or not any(folder.iterdir()):
                _make(folder, name)
    except OSError as error:
        raise TransientError(
            f"the mirror {folder} cannot be made: {error.strerror}",
            reason="NotWritable",
            hint="check the folder's owner and the free space",
        ) from error
    found = _git(folder, "config", "--file", str(folder / "config"), "--get", _MARK, codes=(0, 1))
    if found != name:
        what = f"a mirror of {found}" if found else "no mirror of ours"
        raise UsageError(
            f"{folder} is {what}, and not of {name}",
            reason="OtherMirror",
            hint="name another folder, or delete that one: it holds nothing that its remote lacks",
        )
    mend(folder)
    if branch is not None:
        _git(folder, "symbolic-ref", "HEAD", f"refs/heads/{branch}")


@contextmanager
def _alone(parent: Path) -> Iterator[None]:
    """Let nobody else make a mirror in a folder meanwhile: several programs may begin at once."""
    parent.mkdir(parents=True, exist_ok=True)
    held = os.open(parent, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def mend(folder: Path) -> None:
    """Remove the locks that a killed git has left in a mirror."""
    for lock in (*folder.glob("*.lock"), *(folder / "refs").rglob("*.lock")):
        try:
            if abs(time.time() - lock.stat().st_mtime) > _STALE_S:
                lock.unlink()
        except OSError:  # its git has just removed it
            continue


def _make(folder: Path, name: str) -> None:
    aside = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    _git(aside, "init", "--quiet", "--bare", "--template=", ".")
    settings = {
        _MARK: name,
        "remote.origin.url": name,
        "core.logAllRefUpdates": "true",  # what a forced push took away can be found for a while
    }
    for key, value in settings.items():
        _git(aside, "config", "--file", str(aside / "config"), key, value)
    aside.replace(folder)


def _check(branch: str) -> None:
    argv = ("git", "check-ref-format", f"refs/heads/{branch}")
    valid = process.run(argv, Path.cwd(), environment()).code == 0
    if not valid or f"refs/heads/{branch}" == REF or branch.startswith("-"):
        raise UsageError(
            f"`{branch}` is no branch that can be followed",
            reason="InvalidBranch",
            hint="name the branch that holds specs/, such as --branch main",
        )


def _git(folder: Path, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
    env = environment() | {"GIT_DIR": str(folder)}
    done = process.run(("git", *OPTIONS, *arguments), folder, env)
    if done.code not in codes:
        raise git_output.failure(arguments[0], folder, done.code, done.stderr)
    return done.stdout.decode(errors="replace").strip()
