"""The default DVC remote: content brought and taken there, and why that failed."""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.adapters import dvc_config
from reconciler.adapters.dvc_program import argv, environment
from reconciler.adapters.process import Completed, run
from reconciler.errors import TerminalError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_LIMIT_S = 3600.0
_FAILED = re.compile(r"the remote '(?P<name>[^']+)' failed: (?P<why>.+)")
_REMOVED = re.compile(r"Removed (\d+) objects from remote")
_EXTRA = re.compile(r"requires '?dvc[-_](?P<extra>\w+)'?|No module named 'dvc_(?P<module>\w+)'")


class Remote:
    """The default DVC remote of a repository or slot; content is named by its md5.

    Args:
        root: The folder with `.dvc/`.
        cache: Where content is brought and taken from; None: the repository's own cache.
        limit_s: Seconds that each call may take.
    """

    def __init__(self, root: Path, cache: Path | None = None, limit_s: float = _LIMIT_S) -> None:
        self._root = root
        self._cache = cache
        self._limit_s = limit_s

    @property
    def configured(self) -> bool:
        """Whether there is one."""
        return dvc_config.remotes(self._root).default is not None

    def fetch(self, *md5s: str) -> None:
        """Bring content into the cache, as far as the remote has it.

        Raises:
            TransientError: The remote cannot be reached.
        """
        self._run("fetch", md5s)

    def push(self, *md5s: str) -> None:
        """Copy content from the cache to the remote, where it is not there yet.

        Raises:
            TransientError: The remote cannot be reached.
        """
        self._run("push", md5s)

    def push_stages(self, *stages: str) -> None:
        """Copy what stages of this folder have left, and their entries of the run-cache.

        Args:
            stages: Names as dvc.lock has them (`train@housing`).

        Raises:
            TransientError: The remote cannot be reached.
        """
        if self.configured:
            self._check(self._dvc("push", stages, self._root))

    def sweep(self, kept: Iterable[str], *, dry: bool) -> int:
        """Delete all content but `kept` from the remote, and return how many objects that is.

        Entries of the remote's run-cache stay; one whose outputs are gone counts for nothing.

        Args:
            kept: Names of content; a folder's files are named too, or looked up on the remote.
            dry: Delete nothing.

        Raises:
            TransientError: The remote cannot be reached.
        """
        with self._aside(sorted(kept)) as place:
            _use(place, place / "cache")  # `dvc gc` sweeps the cache as well: here, an empty one
            options = ("--workspace", "--cloud", "--force", *(("--dry",) if dry else ()))
            done = self._dvc("gc", options, place)
            self._check(done)
        said = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
        return sum(int(count) for count in _REMOVED.findall(said))

    def _run(self, command: str, md5s: Sequence[str]) -> None:
        if not md5s or not self.configured:
            return
        with self._aside(md5s) as place:
            self._check(self._dvc(command, ("content.dvc",), place))

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

    def _dvc(self, command: str, targets: Sequence[str], where: Path) -> Completed:
        return run(argv(command, *targets), where, environment(), timeout_s=self._limit_s)

    def _check(self, done: Completed) -> None:
        if done.code == 0:
            return
        said = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
        found = failure(said)
        if found is None:
            errors = [line for line in said if line.startswith("ERROR: ")] or said[-3:]
            name = str(dvc_config.remotes(self._root).default)
            found = _failure(name, " ".join(errors).removeprefix("ERROR: "))
        raise found


def _use(place: Path, cache: Path) -> None:
    """Have DVC use another cache in this folder."""
    text = f"[cache]\n    dir = {cache}\n"
    (place / ".dvc" / "config.local").write_text(text, encoding="utf-8")


def failure(lines: Sequence[str]) -> TransientError | TerminalError | None:
    """Return why the remote failed, if the lines that DVC has printed say that it did."""
    found = [match for line in lines if (match := _FAILED.search(line))]
    return _failure(found[-1]["name"], found[-1]["why"]) if found else None


def _failure(name: str, why: str) -> TransientError | TerminalError:
    if match := _EXTRA.search(why):
        extra = match["extra"] or match["module"]
        return TerminalError(
            f"the DVC remote '{name}' needs a package that is not installed: dvc-{extra}",
            reason="ExtraMissing",
            hint=f"pip install 'reconciler[{extra}]'",
        )
    return TransientError(
        f"the DVC remote '{name}' failed: {why}",
        reason="RemoteFailed",
        hint="check the remote with `dvc remote list` and `dvc push`",
    )
