"""The user's tree as DVC shares it: its lock, who is at work there, and dvc.lock itself."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.adapters import dvc_config
from reconciler.core import lockfile
from reconciler.core.compilation import LOCK
from reconciler.core.lockfile import Lock
from reconciler.errors import TerminalError, TransientError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

_POLL_S = 0.05
_WAIT_S = 60.0


@contextlib.contextmanager
def held(root: Path, wait_s: float = _WAIT_S) -> Iterator[None]:
    """Hold DVC's own lock of the working tree: no other DVC writes there meanwhile.

    Another DVC waits 3 s for it, so what is done inside must be short.

    Raises:
        TransientError: Another DVC holds it for longer than `wait_s` seconds, or it cannot be
            written.
    """
    path = root / ".dvc" / "tmp" / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    taken = _hardlinked if dvc_config.hardlink_lock(root) else _flocked
    with taken(path, wait_s):
        yield


@contextlib.contextmanager
def _flocked(path: Path, wait_s: float) -> Iterator[None]:
    deadline = time.monotonic() + wait_s
    try:
        opened = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise _not_writable(path, error) from error
    with opened as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() >= deadline:
                    raise _locked(path) from error
                time.sleep(_POLL_S)
        file.truncate(0)
        file.write(f" {os.getpid()}\n")
        file.flush()
        yield


@contextlib.contextmanager
def _hardlinked(path: Path, wait_s: float) -> Iterator[None]:
    from flufl.lock import Lock, TimeOutError

    lock = Lock(str(path), default_timeout=timedelta(seconds=wait_s))
    try:
        lock.lock()
    except TimeOutError as error:
        raise _locked(path) from error
    try:
        yield
    finally:
        lock.unlock(unconditionally=True)


def _locked(path: Path) -> TransientError:
    return TransientError(
        "another DVC is at work in this working tree",
        reason="Locked",
        hint=f"wait for it; if none runs, delete {path}",
    )


def refuse_busy(root: Path, paths: Collection[str]) -> None:
    """Raise when a stage that another DVC runs now reads or writes one of the paths.

    To be called while its lock is held: it keeps a stage of its own from starting.

    Raises:
        TransientError: One does, or DVC's list of them cannot be read.
    """
    place = root / ".dvc" / "tmp" / "rwlock"
    try:
        entries = json.loads(place.read_text(encoding="utf-8"))
        found = [
            (path, info)
            for kind in ("read", "write")
            for path, infos in entries.get(kind, {}).items()
            for info in (infos if isinstance(infos, list) else [infos])
        ]
        busy = [info for path, info in found if _touches(root, path, paths) and _alive(info)]
    except FileNotFoundError:
        return
    except (OSError, ValueError, AttributeError, TypeError, KeyError) as error:
        raise TransientError(
            f"{place} cannot be read: {error}",
            reason="Locked",
            hint="if no DVC runs here, delete it",
        ) from error
    if busy:
        raise TransientError(
            f"`{busy[0]['cmd']}` (process {busy[0]['pid']}) is at work on the same stage",
            reason="Locked",
            hint="wait for it",
        )


def _touches(root: Path, busy: str, paths: Collection[str]) -> bool:
    theirs = Path(os.path.abspath(root / busy))  # noqa: PTH100 - links stay
    ours = [root / path for path in paths]
    return any(theirs == p or theirs in p.parents or p in theirs.parents for p in ours)


def _alive(info: Mapping[str, object]) -> bool:
    import psutil

    return bool(psutil.pid_exists(int(str(info["pid"]))))


def read_lock(root: Path) -> Lock:
    """Return dvc.lock, taken apart; one that a person has edited, as DVC would write it.

    Raises:
        TerminalError: It is no dvc.lock.
    """
    text = _text(root)
    try:
        return lockfile.parse(text)
    except lockfile.ForeignError:
        return lockfile.parse(_rewritten(text))


def _text(root: Path) -> str:
    try:
        return (root / LOCK).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise TerminalError(f"{LOCK} cannot be read: {error}", reason="InvalidPipeline") from error


def write_blocks(root: Path, blocks: Mapping[str, str], last: Sequence[str]) -> None:
    """Put blocks into dvc.lock as DVC would: in their place, or at the end.

    Args:
        root: The working tree, whose lock is held.
        blocks: Text by stage name, as DVC has written it.
        last: Names of the stages that come last, in this order, where the file has them.

    Raises:
        TransientError: The file cannot be written.
        TerminalError: It is no dvc.lock.
    """
    text = read_lock(root).updated(blocks).ordered(last).text
    aside = root / ".dvc" / "tmp" / f"{LOCK}.new"
    try:
        aside.write_text(text, encoding="utf-8")
        if (root / LOCK).exists():
            os.chmod(aside, (root / LOCK).stat().st_mode)  # noqa: PTH101
        aside.replace(root / LOCK)
    except OSError as error:
        raise _not_writable(root / LOCK, error) from error


def _not_writable(path: Path, error: OSError) -> TransientError:
    return TransientError(
        f"{path} cannot be written: {error.strerror}",
        reason="NotWritable",
        hint="check the free space and the file's owner",
    )


def _rewritten(text: str) -> str:
    """Return a lock that a person has edited as DVC would write it."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    yaml = YAML()
    yaml.default_flow_style = False
    out = io.StringIO()
    try:
        data = yaml.load(text)
        yaml.dump(data, out)
        lockfile.parse(out.getvalue())
    except (YAMLError, lockfile.ForeignError) as error:
        problem = " ".join(str(error).split())
        raise TerminalError(
            f"{LOCK} is not as DVC writes it: {problem}",
            reason="InvalidPipeline",
            hint=f"solve its conflicts, or restore it with `git checkout -- {LOCK}`",
        ) from error
    return out.getvalue()
