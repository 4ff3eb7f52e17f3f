"""`token`: who may ask a server for what."""

from __future__ import annotations

import json
import math
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from reconciler.adapters.tokens import Right, Token, TokenFile, digest, secret
from reconciler.cli.ansi import columns
from reconciler.cli.options import Plain, TokenScope
from reconciler.cli.wiring import open_site
from reconciler.errors import UsageError
from reconciler.spec.model import seconds

_HEADER = ("NAME", "SCOPE", "CREATED", "EXPIRES", "RATE")
#: Else a daemon loses sight of servers, and rollouts stand still.
_NO_ADMIN = (
    "Servers now ask everybody for a token, `apply`, `why`, `doctor` and `watch` too (not the\n"
    "daemon of their own `up`): make them one with --scope admin; `targets.local.token_env` of\n"
    "params.yaml names the variable that holds it.\n"
)
_STYLES: tuple[dict[str, str], ...] = ({}, {"admin": "yellow"}, {}, {"expired": "red"}, {})


def create(
    name: str, scope: TokenScope, expires: str | None, rate: float | None, path: Path | None
) -> int:
    """Make a token, print its secret alone on standard output, and return 0."""
    now, made = time.time(), secret()
    token = Token(
        name=name,
        scope=Right(scope.value),
        sha256=digest(made.encode()),
        place=0,
        created=_stamp(now),
        expires_s=None if expires is None else now + _age(expires),
        rate=_rate(rate),
    )
    file = _file(path)
    file.add(token)
    sys.stdout.write(f"{made}\n")
    sys.stderr.write(
        "This is shown once. Send it with each request: `Authorization: Bearer rec_…`\n"
    )
    if all(one.scope is not Right.ADMIN for one in file.read()):
        sys.stderr.write(_NO_ADMIN)
    return 0


def list_(path: Path | None, output: Plain) -> int:
    """Print every token but its secret, and return 0."""
    tokens = _file(path).read()
    if output is Plain.JSON:
        sys.stdout.write(json.dumps([_plain(token) for token in tokens], indent=2) + "\n")
    elif tokens:
        sys.stdout.write(columns(_HEADER, [_row(token) for token in tokens], _STYLES))
    else:
        sys.stdout.write("There are no tokens: `reconciler token create NAME --scope predict`\n")
    return 0


def revoke(name: str, path: Path | None) -> int:
    """Make a token worthless, and return 0."""
    _file(path).remove(name)
    sys.stdout.write(f"{name} is worth nothing any more\n")
    return 0


def _file(path: Path | None) -> TokenFile:
    if path is not None:
        return TokenFile(path)
    site = open_site(rev=None)
    site.workspace.prepare()
    return TokenFile(site.workspace.tokens)


def _age(text: str) -> float:
    try:
        found = seconds(text)
    except ValueError as error:
        raise UsageError(f"--expires {text!r} is no age", hint="such as 12h or 90d") from error
    if found <= 0:
        raise UsageError(f"--expires {text} would make a token that is worth nothing")
    return found


def _rate(rate: float | None) -> float | None:
    if rate is not None and not (rate > 0 and math.isfinite(rate)):
        raise UsageError(f"--rate {rate:g} cannot be: wanted requests per second, above 0")
    return rate


def _plain(token: Token) -> dict[str, object]:
    expires = None if token.expires_s is None else _stamp(token.expires_s)
    return {
        "name": token.name,
        "scope": token.scope.value,
        "created": token.created,
        "expires": expires,
        "expired": token.expired(time.time()),
        "rate": token.rate,
    }


def _row(token: Token) -> tuple[str, ...]:
    expires = "never" if token.expires_s is None else _stamp(token.expires_s)
    shown = "expired" if token.expired(time.time()) else expires
    rate = "" if token.rate is None else f"{token.rate:g}/s"
    return token.name, token.scope.value, token.created, shown, rate


def _stamp(seconds_: float) -> str:
    return datetime.fromtimestamp(seconds_, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
