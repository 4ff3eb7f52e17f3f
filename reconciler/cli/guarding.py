"""Guarding a server: who may reach it, as its options and its tokens say."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from reconciler.adapters.tokens import TokenFile, digest
from reconciler.controller.events import Happened, Listen
from reconciler.errors import ReconcilerError, UsageError
from reconciler.serving.rates import shared
from reconciler.serving.settings import Settings
from reconciler.serving.tls import Certificate

_OURS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Access:
    """What a person asked for."""

    tokens: Path | None = None
    """The file of tokens; None: that of the repository."""
    anonymous: bool = False
    """Whether predictions are for those without a token too."""
    rate: float | None = None
    """Requests per second for each token or address; None: any."""
    hosts: tuple[str, ...] = ()
    """Names that the server goes by, beside those of this machine."""
    tls: Certificate | None = None
    share: float | None = None
    """Of the requests that were answered, how many are logged; None: none at all is."""


def access(
    tokens: Path | None = None,
    *,
    anonymous: bool = False,
    rate: float | None = None,
    hosts: Sequence[str] = (),
    tls: tuple[Path | None, Path | None, Path | None] = (None, None, None),
    log: str = "off",
) -> Access:
    """Return what the options of a server say.

    Args:
        tokens: `--tokens`.
        anonymous: `--allow-anonymous`.
        rate: `--rate`.
        hosts: `--allow-host`.
        tls: `--tls-cert`, `--tls-key` and `--tls-ca`.
        log: `--access-log`.

    Raises:
        UsageError: They do not go together, or one is wrong.
    """
    return Access(tokens, anonymous, rate, tuple(hosts), _certificate(*tls), _share(log))


def _certificate(cert: Path | None, key: Path | None, ca: Path | None) -> Certificate | None:
    if cert is None and key is None and ca is None:
        return None
    if cert is None or key is None:
        raise UsageError("TLS needs both --tls-cert and --tls-key", reason="NoCertificate")
    return Certificate(
        str(cert.absolute()), str(key.absolute()), None if ca is None else str(ca.absolute())
    )


def _share(text: str) -> float | None:
    if text == "off":
        return None
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise UsageError(f"--access-log {text}: wanted a share from 0 to 1, or off")
    return found


class Guard:
    """What holds at the doors of one server.

    Args:
        access: What was asked for.
        host: Where it was to listen.
        listen: The socket that requests come in by.
        tokens: The file of tokens where no other was asked for.
        own: The secret of the daemon beside us, which may ask for everything; None: there is none.

    Raises:
        UsageError: Others could reach it, and there is no token; or a file of TLS is wrong.
        ReconcilerError: The tokens cannot be read.
    """

    def __init__(
        self,
        access: Access,
        host: str,
        listen: socket.socket,
        tokens: Path,
        own: str | None = None,
    ) -> None:
        self.file = TokenFile((access.tokens or tokens).absolute())
        self._access = access
        self._own = "" if own is None else digest(own.encode())
        if access.tls is not None:
            access.tls.context()
        self._rates = shared()
        self._mark = self.file.mark()
        known = self.file.read()
        address = str(listen.getsockname()[0])
        self.local = ipaddress.ip_address(address.partition("%")[0]).is_loopback
        if not self.local and not known and not access.anonymous:
            raise UsageError(
                f"{address} can be reached from other machines, and there is no token in"
                f" {self.file.path}",
                reason="NoToken",
                hint="make one: `reconciler token create NAME --scope predict"
                f" --tokens {self.file.path}`;"
                " or let everybody ask for predictions: `--allow-anonymous`",
            )
        self.required = bool(known) or not self.local
        """Whether a token is asked for, as it will be for as long as this server runs."""
        self.hosts = _hosts(access, host) if self.local or access.hosts else None

    def applied(self, settings: Settings) -> Settings:
        """Return the settings of a worker with what holds at its door."""
        tls = self._access.tls
        return replace(
            settings,
            rates=self._rates,
            tokens=str(self.file.path),
            required=self.required,
            anonymous=self._access.anonymous,
            rate=self._access.rate,
            hosts=self.hosts,
            tls=None if tls is None else asdict(tls),
            share=self._access.share,
            own=self._own,
        )

    @property
    def scheme(self) -> str:
        """What addresses of the server begin with."""
        return "http" if self._access.tls is None else "https"

    @property
    def certificate(self) -> str:
        """The file of what the server shows over TLS; empty: it speaks none."""
        return "" if self._access.tls is None else self._access.tls.cert

    def warn(self, log: Listen) -> None:
        """Say what a person should know who lets others reach the server."""
        if not self.local and self._access.tls is None:
            said = "tokens and rows can be read on their way: give `--tls-cert`, or a proxy's TLS"
            log(Happened("NotEncrypted", said, good=False))

    def look(self, log: Listen) -> None:
        """Say so when the tokens have changed; workers see it for themselves."""
        if (mark := self.file.mark()) == self._mark:
            return
        self._mark = mark
        try:
            known = self.file.read()
        except ReconcilerError as error:
            self.required = True
            said = f"{error}; the tokens known before go on to hold"
            log(Happened(error.reason, said, good=False))
            return
        self.required |= bool(known)
        said = "1 token holds" if len(known) == 1 else f"{len(known)} tokens hold"
        log(Happened("TokensChanged", said))


def _hosts(access: Access, host: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.lower() for name in (*_OURS, host, *access.hosts)))
