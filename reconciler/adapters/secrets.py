"""Secrets in addresses: what a URL says of who asks is kept out of everything that is told."""

from __future__ import annotations

import re
from urllib.parse import unquote

_HIDDEN = "***"
_SHORTEST = 3  # a shorter secret stands in too many words to be taken out of them
_USERINFO = re.compile(r"\b([A-Za-z][\w+.-]*)://([^/\s'\"]*)@")
_QUERY = re.compile(r"(://[^\s'\"?]*\?)[^\s'\"]*")


def without_secrets(text: str) -> str:
    """Return `text` with the names and passwords of all URLs taken out.

    The name before an `@` stays where it is no secret: that of an ssh user.
    """
    return _QUERY.sub(rf"\1{_HIDDEN}", _USERINFO.sub(_named, text))


def scrubbed(text: str, url: str) -> str:
    """Return `text`, which may come from a remote, without the secrets that `url` holds."""
    for secret in sorted(_secrets(url), key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return without_secrets(text)


def _named(found: re.Match[str]) -> str:
    scheme, userinfo = found.groups()
    name = userinfo.partition(":")[0]
    return f"{scheme}://{name}@" if "ssh" in scheme else f"{scheme}://"


def _secrets(url: str) -> set[str]:
    found = set()
    for scheme, userinfo in _USERINFO.findall(url):
        name, _, password = userinfo.partition(":")
        token = name if not password and "ssh" not in scheme else password
        found |= {token, userinfo} if token else set()
    found |= {value for part in url.partition("?")[2].split("&") for value in part.split("=")[1:]}
    found |= {unquote(secret) for secret in found}
    return {secret for secret in found if len(secret) >= _SHORTEST}
