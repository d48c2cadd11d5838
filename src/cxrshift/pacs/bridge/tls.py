"""TLS on either side of a connection, from PEM files."""

from __future__ import annotations

import ssl

from .settings import Certificate


def server_context(tls: Certificate) -> ssl.SSLContext:
    """What a listener needs for TLS. Raises OSError and ValueError for certificates that cannot be read."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    if tls.certificate and tls.key:
        context.load_cert_chain(tls.certificate, tls.key)
    if tls.trusted:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(tls.trusted)
    return context


def client_context(tls: Certificate) -> ssl.SSLContext:
    """What a sender needs for TLS. Raises as ``server_context`` does."""
    context = ssl.create_default_context(cafile=tls.trusted)
    if tls.certificate and tls.key:
        context.load_cert_chain(tls.certificate, tls.key)
    return context
