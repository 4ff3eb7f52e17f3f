"""DVC in a folder as it is: in the user's own tree, or on a file that a slot holds."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from reconciler.adapters.dvc_output import Progress, State, cause
from reconciler.adapters.dvc_program import argv, environment
from reconciler.adapters.process import Group, run
from reconciler.errors import TerminalError, TransientError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from pathlib import Path

_GRACE_S = 5.0
_COMMIT_S = 3600.0
_LINES = 200
_FAILED = re.compile(r"ERROR: failed to reproduce(?: stages:)? (.+)")
_NAME = re.compile(r"'([^']+)'")


def repro(
    root: Path,
    targets: Sequence[str],
    log: Path,
    on_stage: Callable[[str, State, float], None],
    cancel: threading.Event,
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Run `dvc repro` on stages of the tree at `root`; one that fails stops no other pipeline.

    Args:
        root: A working tree with DVC.
        targets: Names of stages, such as `train@housing`.
        log: Where everything that is printed goes.
        on_stage: Told of every stage: its name, what became of it, and its seconds.
        cancel: Ends all of it once it is set.

    Returns:
        The stages that ran, and why, by stage, others did not succeed.

    Raises:
        SpecError: dvc.yaml or params.yaml is wrong.
        TerminalError: DVC could not begin.
        TransientError: It was cancelled, or another DVC is at work.
    """
    progress = Progress()
    command, env = argv("repro", "--keep-going", *targets), environment(needs_remote=False)
    group = Group.start(command, root, env, log)
    try:
        for line in group.lines():
            if cancel.is_set():
                raise TransientError("the run was cancelled", reason="Cancelled")
            for event in progress.feed(line, time.monotonic()) if line is not None else ():
                on_stage(*event)
        code = group.finish()
    except BaseException:
        group.terminate(_GRACE_S)
        raise
    for event in progress.end(time.monotonic()):
        on_stage(*event)
    failed = _failed(log, code) if code != 0 else {}
    return tuple(name for name in progress.seconds if name not in failed), failed


def commit(root: Path, pointer: str) -> None:
    """Take the data beside a `.dvc` file into the cache, and have the file name it.

    Raises:
        TerminalError: DVC refuses.
    """
    done = run(argv("commit", "--force", pointer), root, environment(), timeout_s=_COMMIT_S)
    if done.code != 0:
        said = (done.stdout + done.stderr).decode(errors="replace").splitlines()
        errors = [line for line in said if line.startswith("ERROR: ")] or said[-3:]
        raise TerminalError(
            f"`dvc commit {pointer}` failed: {' '.join(errors).removeprefix('ERROR: ')}",
            reason="DataNotTracked",
        )


def _failed(log: Path, code: int) -> dict[str, str]:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LINES:]
    named = [match[1] for line in lines if (match := _FAILED.match(line))]
    if not named:
        raise cause(lines, code, log)
    return dict.fromkeys(_NAME.findall(named[-1]), f"it failed in `dvc repro`; the log: {log}")
