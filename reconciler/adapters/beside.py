"""Beside: the secret that `up` shares with the two programs it keeps, and with nobody else.

It travels by a pipe: neither a disk, nor a list of processes, nor an environment ever holds it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from reconciler.errors import UsageError


@contextmanager
def telling(secret: str) -> Iterator[int]:
    """Give an open file from which a program that is started in the block reads a secret, once."""
    here, there = os.pipe()
    try:
        os.write(there, secret.encode())  # a pipe holds it before anybody reads
        os.close(there)
        yield here
    finally:
        os.close(here)


def heard(fd: int | None) -> str | None:
    """Return the secret that an open file tells, and close it; None: there is no file.

    Raises:
        UsageError: Nothing can be read from it.
    """
    if fd is None:
        return None
    found = b""
    with suppress(OSError), os.fdopen(fd, "rb") as file:
        found = file.read()
    if not found:
        raise UsageError(f"--beside {fd}: no file that tells a secret: `reconciler up` gives one")
    return found.decode()
