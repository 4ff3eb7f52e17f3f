"""The default DVC remote: content brought and taken there by its md5."""

from __future__ import annotations

import contextlib
import copy
import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.adapters import dvc_config
from reconciler.adapters.dvc_failures import Outage, failure
from reconciler.adapters.dvc_program import LIMIT_S, PATIENCE_S, argv, environment
from reconciler.adapters.process import call

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator, Sequence

_REMOVED = re.compile(r"Removed (\d+) objects from remote")
#: The program ends itself before that, and says why.
_LIMIT_S = PATIENCE_S + LIMIT_S + 60.0


class Remote:
    """The default DVC remote of a repository; content is named by its md5.

    Args:
        root: The folder with `.dvc/`.
        cache: Where content is brought and taken from; None: the repository's own cache.
        limit_s: Seconds that each call may take.
        cancel: Ends a call once it is set.
    """

    def __init__(
        self,
        root: Path,
        cache: Path | None = None,
        limit_s: float = _LIMIT_S,
        cancel: threading.Event | None = None,
    ) -> None:
        self._root = root
        self._cache = cache
        self._limit_s = limit_s
        self._cancel = cancel
        self._outage = Outage()

    def until(self, cancel: threading.Event) -> Remote:
        """Return the same remote, each call of which ends once an event is set."""
        other = copy.copy(self)
        other._cancel = cancel
        return other

    @property
    def configured(self) -> bool:
        """Whether there is one."""
        return dvc_config.remotes(self._root).default is not None

    def fetch(self, *md5s: str) -> None:
        """Bring content into the cache, as far as the remote has it.

        Raises:
            TransientError: The remote failed.
            TerminalError: It cannot be used from here.
        """
        self._run("fetch", md5s)

    def push(self, *md5s: str) -> None:
        """Copy content from the cache to the remote, where it is not there yet.

        Raises:
            TransientError: The remote failed.
            TerminalError: It cannot be used from here.
        """
        self._run("push", md5s)

    def sweep(self, kept: Iterable[str], *, dry: bool) -> int:
        """Delete all content but `kept` from the remote, and return how many objects that is.

        Entries of the remote's run-cache stay; one whose outputs are gone counts for nothing.

        Args:
            kept: Names of content; a folder's files are named too, or looked up on the remote.
            dry: Delete nothing.

        Raises:
            TransientError: The remote failed.
            TerminalError: It cannot be used from here.
        """
        with self._aside(sorted(kept)) as place:
            _use(place, place / "cache")  # `dvc gc` sweeps the cache as well: here, an empty one
            options = ("--workspace", "--cloud", "--force", *(("--dry",) if dry else ()))
            said = self._dvc("gc", options, place)
        return sum(int(count) for count in _REMOVED.findall(said))

    def _run(self, command: str, md5s: Sequence[str]) -> None:
        if not md5s or not self.configured:
            return
        with self._aside(md5s) as place:
            self._dvc(command, ("content.dvc",), place)

    @contextlib.contextmanager
    def _aside(self, md5s: Sequence[str]) -> Iterator[Path]:
        """Give a folder in which DVC knows these contents, and nothing else."""
        outs = [{"md5": md5, "hash": "md5", "path": f"{n}"} for n, md5 in enumerate(md5s)]
        with tempfile.TemporaryDirectory(prefix="reconciler-") as aside:
            place = Path(aside)
            (place / ".dvc").mkdir()
            settings = dvc_config.for_slot(self._root, place / "site")
            (place / ".dvc" / "config").write_text(settings, encoding="utf-8")
            (place / "content.dvc").write_text(json.dumps({"outs": outs}), encoding="utf-8")
            if self._cache is not None:
                _use(place, self._cache)
            yield place

    def _dvc(self, command: str, arguments: Sequence[str], where: Path) -> str:
        self._outage.check()
        asked = argv(command, *arguments)
        done = call(asked, where, environment(), self._limit_s, self._cancel)
        said = (done.stdout + done.stderr).decode(errors="replace")
        if done.code != 0:
            default = dvc_config.remotes(self._root).default
            error = failure(said.splitlines(), self._root, default)
            assert error is not None
            raise self._outage.noted(error)
        return said


def _use(place: Path, cache: Path) -> None:
    """Have DVC use another cache in this folder."""
    text = f"[cache]\n    dir = {cache}\n"
    (place / ".dvc" / "config.local").write_text(text, encoding="utf-8")
