"""TLS: a server's certificate, taken up again when its files are renewed."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import UsageError


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files in PEM."""

    cert: str
    """The certificate, and those that lead to its issuer."""
    key: str
    """Its private key, without a password."""
    ca: str | None = None
    """Whose certificates clients must have; None: clients need none."""

    def context(self) -> ssl.SSLContext:
        """Return what connections are made with.

        Raises:
            UsageError: A file cannot be read, or is not what it should be.
        """
        for option, path in self._files().items():
            try:
                Path(path).read_bytes()
            except OSError as error:
                raise UsageError(
                    f"{option} {path} cannot be read: {error.strerror}", reason="NoCertificate"
                ) from error
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            made.load_cert_chain(self.cert, self.key, password=_refuse)
        except (ssl.SSLError, ValueError) as error:
            raise _wrong(
                f"{self.cert} and {self.key} are no certificate with its key", error
            ) from error
        if self.ca is not None:
            made.verify_mode = ssl.CERT_REQUIRED
            try:
                made.load_verify_locations(self.ca)
            except ssl.SSLError as error:
                raise _wrong(f"{self.ca} holds no certificates", error) from error
        return made

    def mark(self) -> tuple[int, ...]:
        """Return what changes whenever one of the files does."""
        found = []
        for path in self._files().values():
            try:
                found.append(Path(path).stat().st_mtime_ns)
            except OSError:
                found.append(0)
        return tuple(found)

    def _files(self) -> dict[str, str]:
        files = {"--tls-cert": self.cert, "--tls-key": self.key}
        return files if self.ca is None else {**files, "--tls-ca": self.ca}


class Renewed:
    """What connections are made with, followed as its files change.

    Whoever connects after they did gets the new certificate; connections that are open go on.

    Args:
        certificate: The files.
    """

    def __init__(self, certificate: Certificate) -> None:
        self._certificate = certificate
        self._mark = certificate.mark()
        self.context = certificate.context()

    def look(self) -> None:
        """Take up files that have changed, once they fit together; until then, nothing changes."""
        if (mark := self._certificate.mark()) == self._mark:
            return
        try:
            self._certificate.context()
        except UsageError:  # half of it is written: the other file will change as well
            return
        self._mark = mark
        self.context.load_cert_chain(
            self._certificate.cert, self._certificate.key, password=_refuse
        )
        if self._certificate.ca is not None:
            self.context.load_verify_locations(self._certificate.ca)


def _wrong(message: str, error: Exception) -> UsageError:
    said = str(error).partition("(_ssl")[0].strip()
    hint = "wanted PEM files, the key without a password"
    return UsageError(f"{message}: {said}", reason="BadCertificate", hint=hint)


def _refuse() -> str:
    """Ask nobody for a key's password."""
    raise ValueError("the key has a password")
