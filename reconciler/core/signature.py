"""Signatures: whether a post to the webhook comes from whoever knows the secret."""

from __future__ import annotations

import hashlib
import hmac

_METHOD = "sha256="


def genuine(secret: bytes, body: bytes, signature: str | None, token: str | None) -> bool:
    """Return whether a post is by somebody who knows the secret.

    How long it takes tells nothing of the secret, nor of the signature that was expected.

    Args:
        secret: What both sides know, not empty.
        body: All of the post's body.
        signature: `sha256=` and the body's HMAC in hexadecimal digits, as GitHub, Gitea and
            Forgejo send it; None: there is none. A post that is signed is judged by that alone.
        token: The secret itself, as GitLab sends it; None: there is none.
    """
    if signature is not None:
        wanted = _METHOD + hmac.new(secret, body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(_octets(signature), wanted.encode())
    if token is None:
        return False
    # digests, so that equal lengths are compared whatever was sent
    return hmac.compare_digest(_digest(_octets(token)), _digest(secret))


def _digest(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()


def _octets(value: str) -> bytes:
    """Return a header's value as it was sent."""
    return value.encode("latin-1", errors="replace")
