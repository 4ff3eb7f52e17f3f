"""Questions to a remote, from inside a process of DVC's: bounded in time, and told in its log."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from queue import Empty, Queue
from threading import Thread, Timer
from typing import Any

#: Exit status of DVC for an error of its own.
FAILED = 255
#: Seconds that a remote may take which can be done without.
SOON_S = 5.0


@contextlib.contextmanager
def asking(name: str, limit_s: float) -> Iterator[None]:
    """Say that a remote is asked, and that it has answered; end the process if it does not.

    Args:
        name: The remote's.
        limit_s: Seconds that it may take.

    Raises:
        DvcException: It failed; the message says so and gives the cause.
    """
    from dvc.exceptions import DvcException

    _say(f"Asking the remote '{name}' ...")
    try:
        with limited(name, limit_s):
            yield
    except Exception as error:  # noqa: BLE001 - remotes of every kind raise their own
        # DVC would print a cause once more
        raise DvcException(f"the remote '{name}' failed: {_causes(error)}") from None
    _say(f"The remote '{name}' has answered.")


@contextlib.contextmanager
def limited(name: str, limit_s: float) -> Iterator[None]:
    """End the process, saying why, if the block takes longer than `limit_s` seconds."""

    def silent() -> None:
        _say(f"ERROR: the remote '{name}' failed: no answer within {limit_s:.0f} s")
        os._exit(FAILED)

    timer = Timer(limit_s, silent)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def greeted(name: str, limit_s: float) -> bool:
    """Return whether the default remote of the repository here answers; say why if it does not."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with asking(name, limit_s), Repo() as repo:
            _look(repo.cloud.get_remote_odb())
    except DvcException as error:
        _say(f"ERROR: {error}")
        return False
    return True


def reachable(repo: Any, name: str) -> bool:
    """Return whether a remote that is not needed answers soon; say so if it does not."""
    said: Queue[str] = Queue()

    def ask() -> None:
        try:
            _look(repo.cloud.get_remote_odb())
        except Exception as error:  # noqa: BLE001 - whatever it is, it goes on without the remote
            said.put(_causes(error))
        else:
            said.put("")

    Thread(target=ask, daemon=True).start()  # it ends with the process, whatever it waits for
    try:
        why = said.get(timeout=SOON_S)
    except Empty:
        why = f"no answer within {SOON_S:.0f} s"
    if why:
        _say(f"Going on without the remote '{name}': {why}")
    return not why


def _look(store: Any) -> None:
    with contextlib.suppress(FileNotFoundError):  # nothing was pushed there yet
        store.fs.info(store.path)


def _causes(error: BaseException) -> str:
    said: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        said.append(" ".join(str(cause).split()) or type(cause).__name__)
        cause = cause.__cause__
    return ": ".join(dict.fromkeys(said))


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
