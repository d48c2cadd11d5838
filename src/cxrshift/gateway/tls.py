"""TLS of the public ports, 1.2 or later, from PEM files that may be renewed while the gateway runs."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import grpc

from cxrshift.config import Settings

_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class TlsFiles:
    """PEM files of one side of a connection."""

    certificate: Path
    key: Path
    client_ca: Path | None
    """Authorities of whose certificates every caller must show one."""

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """The files that the settings name, None where there is no TLS."""
        if not (settings.tls_certificate and settings.tls_key):
            return None
        return cls(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)

    def to_context(self) -> ssl.SSLContext:
        """What Python's TLS needs. Raises OSError for files that cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self.certificate, self.key)
        if self.client_ca:
            context.load_verify_locations(self.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def to_grpc(self) -> grpc.ServerCertificateConfiguration:
        """What gRPC needs. Raises OSError."""
        pair = (self.key.read_bytes(), self.certificate.read_bytes())
        roots = self.client_ca.read_bytes() if self.client_ca else None
        return grpc.ssl_server_certificate_configuration([pair], roots)


class _Renewals:
    """Tells when any of some files was changed."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = [file for file in (files.certificate, files.key, files.client_ca) if file]
        self._state = self._look()
        self._looked = time.monotonic()

    def happened(self) -> bool:
        """Whether any changed since this was last asked."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return False
        self._looked = time.monotonic()
        before, self._state = self._state, self._look()
        return self._state != before

    def _look(self) -> list[tuple[int, int] | None]:
        return [_identity(file) for file in self._files]


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def http_context(files: TlsFiles) -> ssl.SSLContext:
    """A context whose certificate follows its file; client authorities stay those of the start. Raises OSError."""
    context = files.to_context()
    current = [context]
    renewals = _Renewals(files)

    def take_renewed(connection: Any, name: str | None, first: ssl.SSLContext) -> None:
        """OpenSSL asks in every handshake which certificate to show."""
        if renewals.happened():
            try:
                current[0] = files.to_context()
            except OSError:
                return  # half of a renewal: the certificate so far still holds
        connection.context = current[0]

    context.sni_callback = take_renewed
    return context


def grpc_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """The same for gRPC, client authorities included. Raises OSError."""
    renewals = _Renewals(files)

    def take_renewed() -> grpc.ServerCertificateConfiguration | None:
        try:
            return files.to_grpc() if renewals.happened() else None
        except OSError:
            return None

    return grpc.dynamic_ssl_server_credentials(
        files.to_grpc(),
        take_renewed,  # type: ignore[arg-type]  # None says that nothing changed
        require_client_authentication=files.client_ca is not None,
    )
