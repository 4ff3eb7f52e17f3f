"""Checks of `targets.local`: endpoints that can be asked, and a variable that may hold a token."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from reconciler.spec.problems import Finding, Keys

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_MOST = 100
_SUCH = "such as http://127.0.0.1:8080"


def check(settings: Mapping[Any, Any], at: Keys) -> Iterator[Finding]:
    """Give what is wrong with the settings at `at` beyond keys that there are not."""
    token = settings.get("token_env")
    if "token_env" in settings and not (isinstance(token, str) and _VARIABLE.fullmatch(token)):
        message = f"found {str(token)[:80]!r}, wanted the name of an environment variable"
        yield Finding((*at, "token_env"), message, "such as RECONCILER_TOKEN")
    if "endpoints" not in settings:
        return
    endpoints = settings["endpoints"]
    place = (*at, "endpoints")
    if not isinstance(endpoints, list) or not 0 < len(endpoints) <= _MOST:
        yield Finding(place, f"wanted a list of 1 to {_MOST} addresses", f"[{_SUCH[8:]}]")
        return
    seen: set[str] = set()
    for index, endpoint in enumerate(endpoints):
        yield from _endpoint(endpoint, (*place, index), seen, secret=bool(token))


def _endpoint(endpoint: Any, at: Keys, seen: set[str], *, secret: bool) -> Iterator[Finding]:
    parts = _parts(endpoint)
    if parts is None:
        yield Finding(at, f"found {str(endpoint)[:80]!r}, wanted an address", _SUCH)
    elif parts.username is not None or parts.password is not None:
        yield Finding(at, "an address in git holds no password", "name a variable by token_env")
    elif endpoint.rstrip("/") in seen:
        yield Finding(at, f"{endpoint} is named twice", "leave it out")
    else:
        seen.add(endpoint.rstrip("/"))
        if secret and parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            message = f"the token travels to {parts.hostname} in the clear"
            yield Finding(at, message, "https:// hides it", "warning")


def _parts(endpoint: Any) -> SplitResult | None:
    """Return the parts of an address that can be asked; None where it is none."""
    if not isinstance(endpoint, str):
        return None
    try:
        parts = urlsplit(endpoint)
        _ = parts.port
    except ValueError:
        return None
    plain = parts.scheme in ("http", "https") and parts.hostname and not parts.query
    return parts if plain and not parts.fragment and endpoint.isprintable() else None
