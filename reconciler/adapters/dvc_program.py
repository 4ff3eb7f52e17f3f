"""The program that runs DVC: its own command line, with the run-cache looked up entry by entry.

It runs as a process of its own, `python -m reconciler.adapters.dvc_program`, and takes the
arguments of `dvc`. It differs from `dvc` in this: it collects no garbage (a fourth of DVC's time);
it hides the remotes' secrets in whatever DVC prints, and asks nobody for a password; it does not
wait for ever for a remote; it makes reflinks aside; and it has `repro` and `push` of a slice ask
the remote for that slice's run-cache entries and no others. `look` is a word of its own.
"""

from __future__ import annotations

import gc
import getpass
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

#: Where a slot's run finds blocks of dvc.lock that may stand for a stage's result.
KNOWN = Path(".dvc") / "tmp" / "known.json"
#: Seconds that a remote may take for its first answer; time to move the bytes comes on top.
PATIENCE_S = 60.0
_PATIENCE = "RECONCILER_REMOTE_PATIENCE_S"
_NEEDED = "RECONCILER_REMOTE_NEEDED"
#: Seconds for content whose size is not known beforehand.
LIMIT_S = 3600.0


def argv(command: str, *arguments: str) -> tuple[str, ...]:
    """Return what runs `dvc <command> <arguments>` this way."""
    return (sys.executable, "-P", "-m", __name__, command, *arguments)


def environment(*, needs_remote: bool = True, adopted: bool = False) -> dict[str, str]:
    """Return the environment in which DVC runs.

    Args:
        needs_remote: Whether a remote that cannot be asked fails a `repro`.
        adopted: The stages are the user's own. Then the programs of an active environment (of
            venv or conda) come first, as in their shell; otherwise those of this installation.
    """
    ours, path = str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)
    active = adopted and any(name in os.environ for name in ("VIRTUAL_ENV", "CONDA_PREFIX"))
    return {
        **os.environ,
        "PATH": os.pathsep.join((path, ours) if active else (ours, path)),
        "DVC_NO_ANALYTICS": "1",
        "DVC_STUDIO_OFFLINE": "1",
        "PYTHONUNBUFFERED": "1",  # so that the log shows what runs now
        _PATIENCE: str(PATIENCE_S),
        _NEEDED: "yes" if needs_remote else "no",
    }


class _Clean:
    """A stream that hides secrets in what is written to it."""

    def __init__(self, stream: TextIO, hidden: tuple[str, ...]) -> None:
        self._stream = stream
        self._hidden = hidden

    def write(self, text: str) -> int:
        for secret in self._hidden:
            text = text.replace(secret, "***")
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def main(arguments: list[str]) -> int:
    """Run DVC, and return its exit status."""
    from reconciler.adapters import dvc_config

    gc.set_threshold(50_000)
    hidden = dvc_config.secrets(Path.cwd())
    sys.stdout, sys.stderr = _Clean(sys.stdout, hidden), _Clean(sys.stderr, hidden)
    getpass.getpass = _nobody_answers
    code = _run(*arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _run(command: str, *rest: str) -> int:
    if command == "look":
        from reconciler.adapters.dvc_look import main as look

        return look()
    from dvc.cli import main as dvc

    from reconciler.adapters import dvc_asking, dvc_config, dvc_links

    dvc_links.install()
    asks = command in ("fetch", "gc", "pull", "push", "repro")
    remote = dvc_config.remotes(Path.cwd()).default if asks else None
    patience_s = float(os.environ.get(_PATIENCE, PATIENCE_S))
    needed = os.environ.get(_NEEDED) != "no"
    targeted = command in ("push", "repro") and _targeted(patience_s, needed)
    if remote is None:
        return int(dvc([command, *rest]))
    if command == "repro":  # which asks the remote only for what is not here
        # DVC's own way is to bring all of the run-cache at once
        whole = ("--pull",) if needed and not targeted else ()
        return int(dvc([command, *whole, *rest]))
    if not dvc_asking.greeted(remote, patience_s):
        return dvc_asking.FAILED
    runs = ("--run-cache",) if command == "push" else ()
    with dvc_asking.limited(remote, LIMIT_S):
        return int(dvc([command, *runs, *rest]))


def _targeted(patience_s: float, needed: bool) -> bool:
    from reconciler.adapters import dvc_runs

    return dvc_runs.install(_known(), dvc_runs.Terms(patience_s, needed))


def _nobody_answers(*_: object, **__: object) -> str:
    raise EOFError("nobody is asked for passwords here")


def _known() -> list[Mapping[str, Any]]:
    try:
        return list(json.loads(KNOWN.read_bytes()))
    except FileNotFoundError:
        return []


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # without taking all modules down
