"""Addresses: where the servers of a state folder answer, and what they show, as each says."""

from __future__ import annotations

import fcntl
import ipaddress
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

#: In the state folder: a file for each socket, locked by the server whose address it holds. Where
#: that one speaks TLS, a second line names the file of its certificate.
FOLDER = "serving"
#: What `localhost` may stand for.
_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A server on this machine of which more is known than where it answers."""

    address: str
    """As it says it itself: never a name, which could lead to somebody else."""
    certificate: Path | None = None
    """The file of what it shows over TLS, which alone is trusted; None: its issuer decides."""
    secret: str | None = field(default=None, repr=False)
    """By which it knows us; None: there is none."""

    def meant(self, endpoint: str) -> bool:
        """Return whether an endpoint that a person has named is this server.

        No name is looked up: `localhost` is what listens on either address of loopback, and any
        other name somebody else.
        """
        asked, own = _place(endpoint), _place(self.address)
        if asked is None or own is None:
            return endpoint == self.address
        alike = own[1] in _LOOPBACK if asked[1] == "localhost" else asked[1] == own[1]
        return alike and asked[::2] == own[::2]


def _place(endpoint: str) -> tuple[str, str, int | None] | None:
    """Return scheme, host and port, each in one form; None where there is more, or no address."""
    try:
        parts = urlsplit(endpoint.rstrip("/"))
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    host = (parts.hostname or "").rstrip(".")
    if parts.path or parts.query or parts.username is not None:
        return None
    with suppress(ValueError):  # it is a name
        host = str(ipaddress.ip_address(host))
    return parts.scheme, host, port


def held(path: Path) -> bool:
    """Return whether some process has a file locked."""
    try:
        lock = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


class Addresses:
    """Where the servers answer that run on a state folder, such as `http://127.0.0.1:8080`.

    What was found last is kept while none runs, so that one that is away is asked for, and missed,
    where it was.

    Args:
        state: The folder with what is ours.
        otherwise: Where they are looked for until one has run.
    """

    def __init__(self, state: Path, otherwise: Sequence[str]) -> None:
        self._folder = state / FOLDER
        self._last = tuple(otherwise)
        self._met: dict[str, Neighbour] = {}

    def __call__(self) -> tuple[str, ...]:
        """Return them, at least one."""
        self._last = tuple(self._told()) or self._last
        return self._last

    def neighbour(self, endpoint: str) -> Neighbour | None:
        """Return the server that an endpoint means; None: none has said that it is there."""
        here = {
            address: Neighbour(address, Path(file) if file else None)
            for address, file in self._told().items()
        }
        self._met |= here
        every = (*here.values(), *self._met.values())
        return next((one for one in every if one.meant(endpoint)), None)

    def _told(self) -> dict[str, str]:
        """Return the file of a certificate by address; empty: that one speaks no TLS."""
        locks = sorted(self._folder.glob("*.lock"))
        told = (_read(lock) for lock in locks if held(lock))
        return {lines[0]: lines[1] for lines in told if lines[0]}


def _read(lock: Path) -> tuple[str, str]:
    try:
        first, _, rest = lock.read_text(errors="replace").partition("\n")
    except OSError:
        return "", ""
    return first.strip(), rest.rstrip("\n")
