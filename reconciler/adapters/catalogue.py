"""The catalogue of the installed scikit-learn: the one in the package, or one made here."""

from __future__ import annotations

import contextlib
import importlib.resources
import sys
from pathlib import Path

from reconciler.adapters import files
from reconciler.adapters.process import run
from reconciler.adapters.runtime import installed
from reconciler.errors import TerminalError, TransientError
from reconciler.spec.catalogue import Catalogue

_LIBRARY = "scikit-learn"
_TIMEOUT_S = 120.0


def load(cache_dir: Path) -> Catalogue:
    """Return the estimators of the scikit-learn that is installed, without importing it.

    Args:
        cache_dir: Where a catalogue is kept that had to be made; created when needed. One that
            cannot be kept is made again next time.

    Raises:
        TerminalError: `CatalogueFailed`: scikit-learn cannot be asked.
    """
    version = installed([_LIBRARY]).get(_LIBRARY, "")
    shipped = _read((importlib.resources.files("reconciler.spec") / "catalogue.json").read_bytes())
    if shipped is not None and shipped.version == version:
        return shipped
    kept = cache_dir / f"catalogue-{version}.json"
    with contextlib.suppress(OSError):
        found = _read(kept.read_bytes())
        if found is not None and found.version == version:
            return found
    text = _generate()
    _keep(kept, text)
    return Catalogue.from_json(text)


def _read(text: bytes) -> Catalogue | None:
    try:
        return Catalogue.from_json(text)
    except ValueError:
        return None


def _generate() -> bytes:
    argv = [sys.executable, "-m", "reconciler.pipeline.catalogue"]
    done = run(argv, cwd=Path(sys.prefix), timeout_s=_TIMEOUT_S)
    if done.code != 0 or _read(done.stdout) is None:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise TerminalError(
            f"the estimators of {_LIBRARY} cannot be listed: {last or f'exit {done.code}'}",
            reason="CatalogueFailed",
            hint=f"install the {_LIBRARY} that params.yaml declares",
        )
    return done.stdout


def _keep(path: Path, text: bytes) -> None:
    with contextlib.suppress(TransientError):
        files.write(path.parent, path.name, text)
