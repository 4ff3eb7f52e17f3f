"""The machine's memory: how much there is for us, and how much some processes hold."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

#: Share of the memory that one training may take where nobody says otherwise.
SHARE = 0.9
_CGROUPS = Path("/sys/fs/cgroup")
#: Seconds from one walk to the next, for each second that it takes.
_PATIENCE = 20.0


def memory() -> int:
    """Return the bytes of memory that this process could take: the machine's, or its cgroup's."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([total, *_limits(Path("/proc/self/cgroup"), _CGROUPS)])


def fair() -> int:
    """Return the bytes that one training may take where nobody says otherwise."""
    return int(memory() * SHARE)


def give_back() -> None:
    """Let the system have what this process has freed, as far as the allocator can tell it."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)


class Gauge:
    """Tells when the processes of a session hold more memory together than they may.

    Pages that several of them share count once. As that takes a walk over all their memory (some
    90 ms per gigabyte), each process is taken for itself as long as even that sum, which is never
    too low, stays below the bound; and the walks take a twentieth of the time at most.

    Args:
        session: Id of the session; who has left it is not counted.
        bound: Bytes that they may hold.
        clock: Monotonic seconds.
    """

    def __init__(
        self, session: int, bound: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._session = session
        self._bound = bound
        self._clock = clock
        self._walk_at = -math.inf
        """When the next walk may begin."""

    def beyond(self) -> int | None:
        """Return the bytes that they hold if that is more than they may; else None."""
        import psutil

        members = [pid for pid in psutil.pids() if _session(pid) == self._session]
        if (held := sum(map(_resident, members))) <= self._bound:
            return None
        if len(members) > 1:
            began = self._clock()
            if began < self._walk_at:
                return None
            held = sum(map(_fair_part, members))
            self._walk_at = began + _PATIENCE * (self._clock() - began)
        return held if held > self._bound else None


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
