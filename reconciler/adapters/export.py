"""The export: `deployed/` in the home of a repository, the records as files for people to read.

It is a link to `.reconciler/export/<commit>/`, switched whole. Programs read the branch itself.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from reconciler.adapters.home import home
from reconciler.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.adapters.git import Git

LINK = "deployed"
_STORE = Path(".reconciler") / "export"


def export(git: Git, ref: str) -> Path | None:
    """Show the records of `ref` and return their folder.

    Nothing is done, and None returned, while there is no such ref, and where `deployed` is the
    user's own: a file or folder of that name, or a path that the tracked branch knows.

    Raises:
        TransientError: `ExportFailed`: the folder cannot be written.
    """
    link = home(git) / LINK
    try:
        if _is_the_users(git, link):
            return None
        store = home(git) / _STORE
        store.mkdir(parents=True, exist_ok=True)
        with (store / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the ref is read inside, so nobody switches back
            commit = git.read_ref(ref)
            if commit is None:
                return None
            _exclude(git)
            _write(git, commit, store)
            _switch(link, _STORE / commit)
            _sweep(store, commit)
            return store / commit
    except OSError as error:
        raise TransientError(
            f"cannot export the records to {home(git) / LINK}: {error.strerror}",
            reason="ExportFailed",
        ) from error


def _is_the_users(git: Git, link: Path) -> bool:
    if link.is_symlink():
        return link.readlink().parent != _STORE
    tracked = not git.bare and git.read_ref("HEAD") is not None and LINK in git.level("HEAD")
    return link.exists() or tracked


def _exclude(git: Git) -> None:
    """Tell git to ignore the link, in the one place that is not committed."""
    if git.bare or git.ignored(LINK):
        return
    exclude = git.common_dir / "info" / "exclude"
    exclude.parent.mkdir(exist_ok=True)
    before = exclude.read_text(encoding="utf-8") if exclude.exists() else ""
    gap = "" if not before or before.endswith("\n") else "\n"
    with exclude.open("a", encoding="utf-8") as file:
        file.write(f"{gap}/{LINK}\n")


def _write(git: Git, commit: str, store: Path) -> None:
    """Write the records of a commit aside; what an earlier export has is linked, not written."""
    if (store / commit).is_dir():
        return
    wanted = _records(git, commit)
    written = {commit: _records(git, commit) for commit in _exports(store)}
    aside = store / f".incoming-{uuid4().hex}"
    aside.mkdir()
    missing = {}
    for name, oid in wanted.items():
        earlier = next((store / c / name for c, r in written.items() if r.get(name) == oid), None)
        if earlier is not None and earlier.is_file():
            os.link(earlier, aside / name)
        else:
            missing[name] = oid
    contents = git.blobs(missing.values())
    for name, oid in missing.items():
        (aside / name).write_bytes(contents[oid])
        (aside / name).chmod(0o444)
    aside.chmod(0o555)
    aside.rename(store / commit)


def _records(git: Git, commit: str) -> Mapping[str, str]:
    entries = git.level(commit).items()
    return {name: e.oid for name, e in entries if name.endswith(".yaml") and e.mode == "100644"}


def _exports(store: Path) -> list[str]:
    return [path.name for path in store.iterdir() if not path.name.startswith(".")]


def _switch(link: Path, to: Path) -> None:
    if link.is_symlink() and link.readlink() == to:
        return
    name = f".link-{uuid4().hex}"
    try:
        _switch_by(link.parent / _STORE / name, link, to)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _switch_by(link.parent / name, link, to)  # the store is on a disk of its own


def _switch_by(aside: Path, link: Path, to: Path) -> None:
    aside.symlink_to(to, target_is_directory=True)
    try:
        aside.replace(link)
    except OSError:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise


def _sweep(store: Path, current: str) -> None:
    """Remove earlier exports and what a writer that was cut left behind."""
    for path in store.iterdir():
        if path.name in (current, ".lock"):
            continue
        if path.is_symlink():
            path.unlink()
        else:
            path.chmod(0o755)
            shutil.rmtree(path)
