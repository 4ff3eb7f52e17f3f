"""TLS of gRPC: the same files as HTTP's, taken up again when they are renewed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import grpc

from reconciler.errors import UsageError
from reconciler.serving.tls import Certificate


class Renewing:
    """Gives connections their certificate; any thread may ask.

    Args:
        files: The files of `Certificate`, by field.
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        self._certificate = Certificate(**files)
        self._mark = self._certificate.mark()

    def credentials(self) -> grpc.ServerCredentials:
        """Return what a server's port is opened with."""
        asks = self._certificate.ca is not None
        return grpc.dynamic_ssl_server_credentials(self._read(), self._renewed, asks)

    def _read(self) -> grpc.ServerCertificateConfiguration:
        key, cert = (
            Path(path).read_bytes() for path in (self._certificate.key, self._certificate.cert)
        )
        ca = None if self._certificate.ca is None else Path(self._certificate.ca).read_bytes()
        return grpc.ssl_server_certificate_configuration([(key, cert)], ca)

    def _renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return files that have changed, once they fit together; None: those before hold."""
        if (mark := self._certificate.mark()) == self._mark:
            return None
        try:
            self._certificate.context()
            found = self._read()
        except (UsageError, OSError):  # half of it is written: the other file will change as well
            return None
        self._mark = mark
        return found
