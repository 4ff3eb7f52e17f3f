"""Trust: which certificates a server may show us over TLS, and the one that we show."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

#: Names a file (PEM) with the certificate that we show where one is asked for, and its key.
CLIENT = "RECONCILER_CLIENT_CERTIFICATE"
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
#: What OpenSSL calls a certificate that nobody it trusts has issued.
UNKNOWN = frozenset({18, 19, 20, 21})


class CertificateError(OSError):
    """A file holds no certificate that can be used, or another one than a server shows."""


def anybody(env: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """Return how servers are asked whose issuer and name are what counts.

    Raises:
        CertificateError: `CLIENT` names no certificate with its key.
    """
    return _showing(ssl.create_default_context(), env)


class Pinned:
    """The one server whose certificate stands in a file here, whatever its name and issuer.

    The file is read for each connection. Until the server shows what was renewed in it, the
    certificate that was there before holds as well.

    Args:
        file: In PEM: its certificate, and perhaps those that lead to its issuer.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._before: bytes | None = None

    def context(self, env: Mapping[str, str] = os.environ) -> ssl.SSLContext:
        """Return how it is asked; what it shows is to be `check`ed before anything is sent.

        Raises:
            CertificateError: A file cannot be read, or is not what it should be.
        """
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        made.check_hostname = False  # it is known by all of its certificate, not by a name
        made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # whoever has issued it
        for certificate in self._known():
            made.load_verify_locations(cadata=certificate)
        return _showing(made, env)

    def check(self, shown: bytes | None) -> None:
        """Refuse a certificate (DER) that is another one, such as one issued by it.

        Raises:
            CertificateError: It is.
        """
        known = self._known()
        if shown is None or shown not in known:
            raise self.mistaken()
        self._before = shown

    def mistaken(self) -> CertificateError:
        """Return that somebody else answers, or that the file is not the server's."""
        return CertificateError(f"it shows another certificate than {self._file} holds")

    def _known(self) -> tuple[bytes, ...]:
        """Return the certificate of the file, and the one that was last shown."""
        try:
            first, end, _ = self._file.read_text(errors="replace").partition(_END)
            begun = first[max(first.find(_BEGIN), 0) :]
            now = ssl.PEM_cert_to_DER_cert(begun + end)
        except (OSError, ValueError) as error:
            if self._before is None:
                raise CertificateError(f"{self._file} holds no certificate") from error
            return (self._before,)
        return tuple({now: None, self._before or now: None})


def _showing(context: ssl.SSLContext, env: Mapping[str, str]) -> ssl.SSLContext:
    if file := env.get(CLIENT):
        try:
            context.load_cert_chain(file, password=_refuse)
        except (OSError, ValueError) as error:
            said = f"{file}, which {CLIENT} names, is no certificate with its key in PEM"
            raise CertificateError(said) from error
    return context


def _refuse() -> str:
    """Ask nobody for a key's password."""
    raise ValueError("the key has a password")
