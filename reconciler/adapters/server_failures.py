"""Why a server could not be asked, or has refused, as errors that say what would help."""

from __future__ import annotations

import ssl

import orjson

from reconciler.adapters.trust import CLIENT, CertificateError
from reconciler.errors import TransientError
from reconciler.ports.servers import BUSY, DENIED, DOWN, REFUSED

#: What OpenSSL calls it when the other side wants a certificate of ours, or another one.
_WANTS = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE", "UNKNOWN_CA", "BAD_CERTIFICATE",
          "UNSUPPORTED_CERTIFICATE", "CERTIFICATE_UNKNOWN", "CERTIFICATE_EXPIRED")  # fmt: skip
_SHOWS = f"{CLIENT} names the file of one with its key"


def unheard(endpoint: str, error: Exception) -> TransientError:
    """Return what it means that a request got no answer: `ServerDown`."""
    return TransientError(_unheard(endpoint, error), reason=DOWN)


def _unheard(endpoint: str, error: Exception) -> str:
    if isinstance(error, CertificateError):
        return f"{endpoint} cannot be asked: {error}"
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        return f"the server at {endpoint} {_distrust(error)}"
    if isinstance(error, TimeoutError):
        return f"the server at {endpoint} does not answer in time"
    if isinstance(error, ConnectionRefusedError):
        return f"no server answers at {endpoint}"
    if endpoint.startswith("https:") and isinstance(error, ConnectionError | ssl.SSLEOFError):
        cut = f"the server at {endpoint} ends the connection before it answers"
        return f"{cut}; if it wants a certificate of ours: {_SHOWS}"
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"no server answers at {endpoint}: {said}"


def _distrust(error: ssl.SSLError) -> str:
    """Return what went wrong with TLS, as what a server does."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message.rstrip(".")
        file = "SSL_CERT_FILE names a file of issuers"
        return f"shows a certificate that is not trusted: {why} ({file})"
    reason = error.reason or str(error)
    if any(word in reason for word in _WANTS):
        return f"wants a certificate of ours that it takes: {_SHOWS}"
    if reason == "WRONG_VERSION_NUMBER":
        return "speaks no TLS: its address begins with http://"
    return f"cannot be talked to over TLS: {reason}"


def refused(endpoint: str, status: int, content: bytes, *, shown: bool) -> TransientError:
    """Return what a status means; `shown` says whether a token was sent."""
    try:
        plain = orjson.loads(content)
        said, reason = str(plain["error"]), plain.get("reason")
    except (ValueError, KeyError, TypeError, AttributeError):
        said, reason = "without a word", None
    server = f"the server at {endpoint}"
    if status == 401 or reason == "WrongScope":
        named = "`targets.local.token_env` of params.yaml names"
        wants = f"{server} wants a token of scope admin: {named} the variable that holds it"
        refuses = f"{server} does not take the token whose variable {named}: {said:.200}"
        return TransientError(refuses if shown else wants, reason=DENIED)
    message = f"{server} refuses with status {status}: {said:.200}"
    return TransientError(message, reason=BUSY if status in (429, 503, 504) else REFUSED)
