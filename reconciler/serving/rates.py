"""Rates: how often each bearer may ask, kept in memory that all workers of a server share.

One number per bearer: when its requests so far would have been spread out evenly. Two workers that
count at the very same moment may count one request for two; nothing worse comes of it.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import time
from collections.abc import Callable
from zlib import crc32

from reconciler.adapters.tokens import MOST

#: Places for those who have no token, by address; two addresses may happen to share one.
_ADDRESSES = 1 << 16
_SIZE = 8 * (MOST + _ADDRESSES)


def shared() -> int:
    """Return an open file, nowhere on disk where the system can do so, for `Rates` to be kept in.

    It is inherited by processes that it is passed on to.
    """
    if hasattr(os, "memfd_create"):
        made = os.memfd_create("rates")
    else:
        with tempfile.TemporaryFile() as file:
            made = os.dup(file.fileno())
    os.truncate(made, _SIZE)
    return made


class Rates:
    """Counts requests by place: those of tokens first, then those of addresses.

    Args:
        file: What `shared` has made; None: memory of this process alone.
        clock: Monotonic seconds, the same in all processes.
    """

    def __init__(
        self, file: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._due = memoryview(mmap.mmap(-1 if file is None else file, _SIZE)).cast("d")
        self._clock = clock

    def wait_s(self, place: int, rate: float) -> float:
        """Count a request where it may come, and return 0; else the seconds until one may.

        Args:
            place: Whose it is.
            rate: Requests per second, above 0. A second's worth, or one, may come at once.
        """
        now = self._clock()
        due = max(self._due[place], now)
        ahead = due - now - max(1.0 - 1.0 / rate, 0.0)
        if ahead > 1e-9:
            return ahead
        self._due[place] = due + 1.0 / rate
        return 0.0


def place_of(address: str) -> int:
    """Return the place of an address; of IPv6, all of a network of 64 bits are one."""
    if ":" in address:
        address = ":".join(address.split(":")[:4])
    return MOST + crc32(address.encode()) % _ADDRESSES
