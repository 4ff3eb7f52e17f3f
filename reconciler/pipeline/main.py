"""`reconciler-stage`: the program that DVC runs for one stage of one model.

The number of threads is fixed here, before anything that computes is imported: some models
differ between one thread and two.
"""

from __future__ import annotations

import argparse
import errno
import gc
import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.errors import ReconcilerError, TerminalError, TransientError
from reconciler.pipeline import context

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

STAGES = ("prepare", "train", "evaluate", "adopt")

#: Exit status of an error that waits for time (sysexits' EX_TEMPFAIL).
TEMPORARY = 75

_FULL = {errno.ENOSPC: "DiskFull", errno.EDQUOT: "DiskFull", errno.EROFS: "ReadOnly"}
#: Objects between two looks for garbage: libraries make a hundred thousand that stay.
_OBJECTS = 50_000
_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "RAYON")


def main() -> NoReturn:
    """Run one stage as a program; its work lies on the disk, so nothing is taken down at the end.

    A fourth of the stage `train` would go into collecting modules: once while they are imported,
    and once more before the process ends.
    """
    gc.set_threshold(_OBJECTS)
    code = run()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one stage in the current folder.

    Returns:
        0: done. 1: the spec, the data or the model is at fault. 75: the world is not ready.
        On failure stderr ends with `error: Reason: message` and, where there is one, a hint.
    """
    parser = argparse.ArgumentParser(prog="reconciler-stage", description=run.__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("name", help="the model, specs/NAME.yaml")
    parser.add_argument("digest", nargs="?", help="for DVC, which runs a changed command again")
    chosen = parser.parse_args(arguments)
    try:
        _run(chosen.stage, chosen.name)
    except ReconcilerError as error:
        return _failed(error)
    except OSError as error:
        said = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        reason = _FULL.get(error.errno or 0, "Unavailable")
        return _failed(TransientError(said, reason=reason, hint="check the disk"))
    except MemoryError:
        return _failed(TransientError("the memory does not suffice", reason="OutOfMemory"))
    except Exception as error:  # noqa: BLE001  the last guard: the log has the traceback
        traceback.print_exc()
        said = f"{type(error).__name__}: {error}"
        return _failed(TerminalError(said, reason="StageCrashed", hint="the log has more"))
    return 0


def _run(stage: str, name: str) -> None:
    loaded = context.load(name, Path.cwd())
    _fix_threads(loaded.spec.spec.training.threads)
    importlib.import_module(f"reconciler.pipeline.{stage}").run(loaded)


def _fix_threads(count: int) -> None:
    os.environ |= {f"{library}_NUM_THREADS": str(count) for library in _THREADS}
    os.environ |= {"VECLIB_MAXIMUM_THREADS": str(count), "POLARS_MAX_THREADS": str(count)}


def _failed(error: ReconcilerError) -> int:
    message = " ".join(error.message.splitlines())  # one line: whoever started us reads it
    hint = f"hint: {' '.join(error.hint.splitlines())}\n" if error.hint else ""
    sys.stderr.write(f"error: {error.reason}: {message}\n{hint}")
    return TEMPORARY if isinstance(error, TransientError) else 1


if __name__ == "__main__":
    main()
