"""The door: who may ask for what, settled before anything else of a request is looked at."""

from __future__ import annotations

import hmac
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256

from reconciler.adapters.tokens import Right, Token, TokenFile
from reconciler.errors import ReconcilerError
from reconciler.serving.http import Scope
from reconciler.serving.rates import Rates, place_of
from reconciler.serving.refusal import Refused

_LOOKED_AT = frozenset((b"host", b"origin", b"authorization"))
_MOST_HOSTS = 1000
_BEARER = b"bearer "
#: Whose requests the daemon's beside us are, in the log: no token has a name with a blank.
_OWN = "of up"


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds at a server's door."""

    required: bool = False
    """Whether a token is asked for even while there are none."""
    anonymous: bool = False
    """Whether those without a token may ask for predictions all the same."""
    rate: float | None = None
    """Requests per second for each token, and for each address without one; None: any."""
    hosts: frozenset[str] | None = None
    """Names that the server goes by; None: any."""
    own: str = ""
    """What is kept of the secret of the daemon beside us; nothing: there is none."""


class Door:
    """Used by one thread.

    Args:
        rules: What holds.
        file: The tokens; None: there are none.
        rates: Counts requests.
        limited: Told whose request came too soon: a token's name, or nothing.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        rules: Rules | None = None,
        file: TokenFile | None = None,
        rates: Rates | None = None,
        limited: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rules = rules or Rules()
        self._file = file
        self._own = bytes.fromhex(self._rules.own)
        self._rates = rates or Rates()
        self._limited = limited
        self._clock = clock
        self._mark: tuple[int, ...] | None = None
        self._tokens: tuple[tuple[bytes, Token], ...] = ()
        self._known: dict[bytes, Token] = {}
        """Tokens whose secret has been shown, by its digest."""
        self._hosts: set[bytes] = set()
        """Values of `Host` and `Origin` that were found to be ours."""
        self.closed = self._rules.required
        """Whether tokens are asked for; once they are, that goes on for as long as this lives."""
        self.look()

    def look(self) -> None:
        """Follow the file of tokens; where it cannot be read, those known go on to hold."""
        if self._file is None or (mark := self._file.mark()) == self._mark:
            return
        try:
            tokens = self._file.read()
        except ReconcilerError:
            self.closed = True
        else:
            self._tokens = tuple((bytes.fromhex(token.sha256), token) for token in tokens)
            self._known = {}
            self.closed |= bool(tokens)
        self._mark = mark

    def admit(self, scope: Scope, right: Right | None) -> str:
        """Return the name of whose request this is, as its token says; nothing without one.

        Args:
            scope: Of an HTTP request.
            right: What it asks for; None: what is open to all.

        Raises:
            Refused: 401, 403 or 429.
        """
        authorization = None
        for name, value in scope["headers"]:
            if name in _LOOKED_AT:
                if name == b"authorization":
                    authorization = value
                elif value not in self._hosts and self._rules.hosts is not None:
                    self._recognise(name, value, self._rules.hosts)
        if right is None:
            return ""
        if not self.closed and self._rules.rate is None:
            return ""
        client = scope.get("client")
        return self.check(authorization, client[0] if client else "", right)

    def check(self, authorization: bytes | None, address: str, right: Right) -> str:
        """Return the name of whose request this is; see `admit`, which does so over HTTP."""
        if self._beside(authorization):
            return _OWN
        if not self.closed or (authorization is None and self._rules.anonymous):
            if self.closed and right is not Right.PREDICT:
                raise _unknown("this needs a token")
            self._pace("", place_of(address), self._rules.rate)
            return ""
        token = self._bearer(authorization)
        try:
            _allow(token, right)
            self._pace(token.name, token.place, token.rate or self._rules.rate)
        except Refused as error:
            error.bearer = token.name
            raise
        return token.name

    def trusts(self, authorization: bytes | None) -> bool:
        """Return whether who asks may have it count nowhere: where tokens are asked for, an admin.

        Others could hide from a rollout what it is judged by.
        """
        if not self.closed or self._beside(authorization):
            return True
        return authorization is not None and self._bearer(authorization).allows(Right.ADMIN)

    def _beside(self, authorization: bytes | None) -> bool:
        """Return whether the daemon beside us asks: it may ask for everything, at any rate."""
        if not self._own or authorization is None or authorization[:7].lower() != _BEARER:
            return False
        return hmac.compare_digest(_digest(authorization), self._own)

    def _bearer(self, authorization: bytes | None) -> Token:
        if authorization is None:
            raise _unknown("this needs a token")
        if authorization[:7].lower() != _BEARER:
            raise _unknown("wanted `Authorization: Bearer TOKEN`")
        digest = _digest(authorization)
        token = self._known.get(digest)
        if token is None:
            token = self._known[digest] = _among(self._tokens, digest)
        if token.expires_s is not None and token.expired(self._clock()):
            raise _unknown(f"the token {token.name} has expired", b' error="invalid_token"')
        return token

    def _pace(self, name: str, place: int, rate: float | None) -> None:
        if rate is None or (wait := self._rates.wait_s(place, rate)) <= 0:
            return
        self._limited(name)
        whose = f"the token {name}" if name else "your address"
        raise Refused(
            429,
            f"more than {rate:g} requests a second came from {whose}",
            reason="RateLimited",
            headers=((b"retry-after", b"%d" % max(math.ceil(wait), 1)),),
        )

    def _recognise(self, header: bytes, value: bytes, hosts: frozenset[str]) -> None:
        """Refuse a request that a page of somebody else's has had a browser send here.

        `Host` is what the browser takes us for. Where no token is needed, `Origin` says whose page
        it shows.
        """
        origin = header == b"origin"
        if origin and self.closed:
            return
        host = _host((value.partition(b"://")[2] if origin else value).decode("latin-1"))
        if host not in hosts:
            named = header.decode().capitalize()
            raise Refused(
                403,
                f"{named} {host!r:.80} is not this server",
                reason=f"Foreign{named}",
                hint="start it with `--allow-host NAME` if it is",
            )
        if len(self._hosts) < _MOST_HOSTS:
            self._hosts.add(value)


def _digest(authorization: bytes) -> bytes:
    return sha256(authorization[len(_BEARER) :].strip()).digest()


def _allow(token: Token, right: Right) -> None:
    if not token.allows(right):
        raise Refused(
            403,
            f"the token {token.name} has the scope {token.scope}: this needs {right}",
            reason="WrongScope",
            headers=((b"www-authenticate", b'Bearer error="insufficient_scope"'),),
        )


def _among(tokens: Iterable[tuple[bytes, Token]], digest: bytes) -> Token:
    """Return the token of a digest; all are compared, and none faster than another."""
    found = None
    for known, token in tokens:
        if hmac.compare_digest(known, digest):
            found = token
    if found is None:
        raise _unknown("there is no such token", b' error="invalid_token"')
    return found


def _unknown(message: str, more: bytes = b"") -> Refused:
    challenge = (b"www-authenticate", b'Bearer realm="reconciler"' + (b"," + more) * bool(more))
    return Refused(401, message, reason="Unauthorized", headers=(challenge,))


def _host(value: str) -> str:
    """Return the name in `name:port`, in small letters and without the brackets of IPv6."""
    if value.startswith("["):
        return value[1:].partition("]")[0].lower()
    return value.partition(":")[0].lower().rstrip(".")


def right_of(path: str) -> Right | None:
    """Return what a request to a path asks for; None: what all may, such as whether it is well."""
    if path == "/" or path.startswith(_OPEN):
        return None
    if path in _ADMIN or path.startswith("/admin/"):
        return Right.ADMIN
    if path.startswith("/v2/repository/models/"):  # load and unload
        return Right.ADMIN
    return Right.PREDICT


#: The page of `/docs` has nothing of a model in it: it asks for a token, and then for the rest.
_OPEN = ("/v2/health/", "/livez", "/readyz", "/docs")
_ADMIN = frozenset(("/status", "/metrics", "/admin"))
