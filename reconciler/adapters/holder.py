"""Who holds leases: a daemon, known by its state folder through restarts, and what it says."""

from __future__ import annotations

import json
import os
import socket
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from reconciler.adapters import files
from reconciler.errors import TransientError

_FILE = "holder.json"


@dataclass(frozen=True, slots=True)
class Holder:
    """One daemon in one run."""

    id: str
    """The same in every run on one state folder."""
    run: str
    """Another one in every run."""
    host: str
    pid: int

    def claim(self, beat: int) -> str:
        """Return what a lease says: another text at every beat."""
        return json.dumps({**asdict(self), "beat": beat}) + "\n"


def holder(folder: Path) -> Holder:
    """Return the daemon of a state folder, whose name is kept there; a copy gets one of its own.

    Raises:
        TransientError: The folder cannot be read or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place = folder.stat().st_ino
        known = _read(folder / _FILE)
    except OSError as error:
        raise TransientError(
            f"{folder} cannot be read: {error.strerror}", reason="NotWritable"
        ) from error
    if known.get("place") != place or not isinstance(known.get("id"), str):
        known = {"id": uuid.uuid4().hex, "place": place}
        files.write(folder, _FILE, json.dumps(known).encode())
    return Holder(str(known["id"]), uuid.uuid4().hex, socket.gethostname(), os.getpid())


def read_claim(commit: bytes) -> Holder | None:
    """Return who a lease's commit names; None when it is not one of ours."""
    try:
        said = json.loads(commit.partition(b"\n\n")[2])
        return Holder(str(said["id"]), str(said["run"]), str(said["host"])[:200], int(said["pid"]))
    except (ValueError, KeyError, TypeError):
        return None


def _read(file: Path) -> dict[str, object]:
    try:
        found = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
