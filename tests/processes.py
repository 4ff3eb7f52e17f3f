"""Processes that a test has started, or had started."""

from __future__ import annotations

import time
from collections.abc import Iterable

import psutil


def gone(processes: Iterable[psutil.Process], within_s: float) -> bool:
    """Return whether all end in time."""
    end = time.monotonic() + within_s
    while any(map(runs, processes)):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def runs(process: psutil.Process) -> bool:
    """Return whether a process does anything yet; who is to reap it may be in no hurry."""
    try:
        return process.is_running() and bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
