"""Why a server could not be asked, or has refused, as errors that say what would help."""

from __future__ import annotations

import http.client
import ssl
from urllib.parse import urlsplit

import orjson

from reconciler.adapters.trust import CLIENT, UNKNOWN, CertificateError
from reconciler.errors import TransientError
from reconciler.ports.servers import BARRED, BUSY, DENIED, DOWN, FOREIGN, REFUSED

#: What OpenSSL calls it when the other side wants a certificate of ours, or another one.
_WANTS = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE", "UNKNOWN_CA", "BAD_CERTIFICATE",
          "UNSUPPORTED_CERTIFICATE", "CERTIFICATE_UNKNOWN", "CERTIFICATE_EXPIRED")  # fmt: skip
#: No server of ours says these without a word about what there is not.
_NO_SUCH = frozenset({404, 405, 501})
#: Whoever asks again may be answered; and whatever is asked is refused.
_LATER, _AT_ALL = frozenset({429, 502, 503, 504}), frozenset({*range(300, 400), 403, 407})
_SHOWS = f"{CLIENT} names the file of one with its key"


def unheard(endpoint: str, error: Exception) -> TransientError:
    """Return what it means that a request got no answer."""
    message, reason = _unheard(endpoint, error)
    return TransientError(message, reason=reason)


def foreign(endpoint: str) -> str:
    """Return that somebody answers as none of our servers does."""
    return f"another program answers at {endpoint}, which is no server of ours"


def _unheard(endpoint: str, error: Exception) -> tuple[str, str]:
    """Return a sentence, and the reason."""
    server = f"the server at {endpoint}"
    if isinstance(error, CertificateError):
        return f"{endpoint} cannot be asked: {error}", BARRED
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        return f"{server} {_distrust(error)}", BARRED
    if isinstance(error, TimeoutError):
        return f"{server} does not answer in time", DOWN
    if isinstance(error, ConnectionRefusedError):
        return f"no server answers at {endpoint}", DOWN
    if isinstance(error, ConnectionError | ssl.SSLEOFError):  # perhaps it is just ending
        cut = f"{server} ends the connection before it answers"
        if endpoint.lower().startswith("https:"):
            return f"{cut}; if it wants a certificate of ours: {_SHOWS}", BARRED
        return f"{cut}; if it speaks TLS, its address begins with https://", DOWN
    if isinstance(error, http.client.HTTPException):
        return foreign(endpoint), FOREIGN
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"no server answers at {endpoint}: {said}", DOWN


def _distrust(error: ssl.SSLError) -> str:
    """Return what went wrong with TLS, as what a server does."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message.rstrip(".")
        file = " (SSL_CERT_FILE names a file of issuers)" if error.verify_code in UNKNOWN else ""
        return f"shows a certificate that is not trusted: {why}{file}"
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
        if status in _NO_SUCH:
            return TransientError(foreign(endpoint), reason=FOREIGN)
        said, reason = "without a word", None
    server = f"the server at {endpoint}"
    if status == 401 or reason == "WrongScope":
        named = "`targets.local.token_env` of params.yaml names"
        wants = f"{server} wants a token of scope admin: {named} the variable that holds it"
        refuses = f"{server} does not take the token whose variable {named}: {said:.200}"
        return TransientError(refuses if shown else wants, reason=DENIED)
    if reason == "ForeignHost":
        name = urlsplit(endpoint).hostname or endpoint
        message = f"{server} does not go by that name: start it with `--allow-host {name}`"
        return TransientError(message, reason=BARRED)
    message = f"{server} refuses with status {status}: {said:.200}"
    if (then := _then(status)) is not None:
        message += f"; {then}"
    if status in _LATER:
        return TransientError(message, reason=BUSY)
    return TransientError(message, reason=BARRED if status in _AT_ALL else REFUSED)


def _then(status: int) -> str | None:
    """Return what helps against a refusal; None: that depends on what was asked."""
    if status == 429:
        return "it is asked again later; a token made with a higher `--rate` may ask more often"
    if status in _LATER:
        return "it is asked again later"
    if 300 <= status < 400:
        return "wanted the address of the server itself, as `targets.local.endpoints` says it"
    if status in (403, 407):
        return "it, or a proxy before it, has to let this machine in"
    return "its log says more" if status >= 500 else None
