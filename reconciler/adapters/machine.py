"""The machine's memory: how much there is for us, and how much some processes hold."""

from __future__ import annotations

import os
from pathlib import Path

#: Share of the memory that one training may take where nobody says otherwise.
SHARE = 0.9
_CGROUPS = Path("/sys/fs/cgroup")


def memory() -> int:
    """Return the bytes of memory that this process could take: the machine's, or its cgroup's."""
    import psutil

    total = int(psutil.virtual_memory().total)
    return min([total, *_limits(Path("/proc/self/cgroup"), _CGROUPS)])


def fair() -> int:
    """Return the bytes that one training may take where nobody says otherwise."""
    return int(memory() * SHARE)


def held(session: int, bound: int) -> int:
    """Return the bytes of memory that the processes of a session hold together.

    Pages that several of them share count once; as that takes a walk over their memory, they are
    counted once per process as long as even that stays below `bound`.

    Args:
        session: Id of the session; who has left it is not counted.
        bound: Bytes up to which the quick answer, which is never too low, is good enough.
    """
    members = _members(session)
    quick = sum(_resident(pid) for pid in members)
    return quick if quick <= bound or len(members) < 2 else sum(_fair_part(p) for p in members)


def _members(session: int) -> list[int]:
    import psutil

    return [pid for pid in psutil.pids() if _session(pid) == session]


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:  # it has ended, or it is not ours to see
        return -1


def _resident(pid: int) -> int:
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _fair_part(pid: int) -> int:
    """Return the bytes of a process, those that it shares divided among the sharers."""
    import psutil

    try:
        full = psutil.Process(pid).memory_full_info()
    except psutil.AccessDenied:
        return _resident(pid)
    except psutil.Error:
        return 0
    return int(getattr(full, "pss", full.uss))  # macOS knows what is a process's own, no more


def _limits(own: Path, cgroups: Path) -> list[int]:
    """Return the limits on this process's memory, in bytes, of either version of cgroups."""
    try:
        lines = own.read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            found += _upwards(cgroups, path, "memory.max")
        elif "memory" in controllers.split(","):
            found += _upwards(cgroups / "memory", path, "memory.limit_in_bytes")
    return found


def _upwards(root: Path, path: str, name: str) -> list[int]:
    """Return the limits from a cgroup up to the root; a container sees its own as the root."""
    here = Path(path.strip("/"))
    found = [_limit(root / folder / name) for folder in (here, *here.parents)]
    return [limit for limit in found if limit is not None]


def _limit(file: Path) -> int | None:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):  # there is none, or it says `max`
        return None
