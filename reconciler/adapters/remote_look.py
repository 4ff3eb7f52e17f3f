"""Looking into the DVC remote: which results it has, without bringing any of them here."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection
from pathlib import Path

from reconciler.adapters import dvc_config, run_cache
from reconciler.adapters.dvc_failures import failure
from reconciler.adapters.dvc_program import argv, environment
from reconciler.adapters.process import run
from reconciler.adapters.run_cache import Found
from reconciler.errors import TransientError

#: Seconds that starting DVC may take, beside the patience with the remote.
_START_S = 15.0


class RemoteLook:
    """The default remote of the repository at `root`, as a place to look into.

    Args:
        root: The folder with `.dvc/`; nothing is written there.
        patience_s: Seconds in which the remote must have answered.
    """

    def __init__(self, root: Path, patience_s: float) -> None:
        self._root = root
        self._patience_s = patience_s
        known = dvc_config.remotes(root)
        self._options = known.options.get(known.default or "", {})
        self.configured = known.default is not None
        """Whether there is such a remote."""

    def look(self, keys: Collection[str], md5s: Collection[str]) -> Found:
        """Return what the remote has of these keys of its run-cache and of this content.

        A folder counts as there when its listing is: DVC copies that last.

        Raises:
            TransientError: It cannot be asked, or did not answer in time.
            TerminalError: It needs a package that is not installed.
        """
        url = str(self._options.get("url", ""))
        if url and "://" not in url:
            return run_cache.look(_folder(Path(url)), keys, md5s)
        return asked(self._root, keys, md5s, self._patience_s)


def asked(root: Path, keys: Collection[str], md5s: Collection[str], patience_s: float) -> Found:
    """Return what the default remote has, whatever kind it is of: DVC looks there.

    Raises:
        TransientError: It cannot be asked, or did not answer in time.
        TerminalError: It needs a package that is not installed.
    """
    question = {"keys": list(keys), "md5s": list(md5s), "patience_s": patience_s}
    with tempfile.TemporaryDirectory(prefix="reconciler-") as aside:
        place = Path(aside)
        (place / ".dvc").mkdir()
        settings = dvc_config.for_slot(root, place / "site")
        (place / ".dvc" / "config").write_text(settings, encoding="utf-8")
        text = json.dumps(question).encode()
        done = run(argv("look"), place, environment(), patience_s + _START_S, text)
    lines = (done.stdout + done.stderr).decode(errors="replace").splitlines()
    if done.code != 0:
        raise failure(lines, root) or TransientError(
            f"the DVC remote cannot be asked: {lines[-1] if lines else done.code}",
            reason="RemoteFailed",
        )
    answer = json.loads(done.stdout.rstrip().rpartition(b"\n")[2])
    read = ((key, map(run_cache.parsed, texts)) for key, texts in answer["entries"].items())
    return Found(
        {key: tuple(block for block in blocks if block is not None) for key, blocks in read},
        frozenset(answer["present"]),
    )


def _folder(path: Path) -> Path:
    """Return a remote's folder.

    Raises:
        TransientError: It is not there, such as a disk that is not mounted.
    """
    if not path.is_dir():
        raise TransientError(
            f"the DVC remote {path} is not there",
            reason="RemoteFailed",
            hint="check the remote with `dvc remote list`",
        )
    return path
