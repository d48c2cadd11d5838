"""How long the certificates that the environment names are good for, and whether a key is its certificate's."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from .checks import Check, State

TOPIC = "Certificates"
SOON_DAYS = 30
"""Days before its end from which a certificate is warned of."""
_VARIABLES = ("CXRSHIFT_TLS_CERTIFICATE", "CXRSHIFT_TLS_CLIENT_CA", "CXRSHIFT_CA_FILE")


def check_certificates(environment: Mapping[str, str], now: datetime | None = None) -> Iterator[Check]:
    """A check for each PEM file that is named and there; one that says so where no TLS is configured."""
    named = {name: Path(environment[name]) for name in _VARIABLES if environment.get(name)}
    if not named:
        remedy = "docs/security.md tells how, where the service is called over a network."
        yield Check(TOPIC, "TLS", State.SKIP, "none is configured; the service speaks in the clear", remedy)
    for name, path in named.items():
        if path.is_file():  # a missing one is told among the settings
            yield check_certificate(name, path, now or datetime.now(UTC))
    key = environment.get("CXRSHIFT_TLS_KEY", "")
    pair = named.get("CXRSHIFT_TLS_CERTIFICATE")
    if pair and pair.is_file() and Path(key).is_file():
        yield check_pair(pair, Path(key))


def check_certificate(name: str, path: Path, now: datetime) -> Check:
    """The first of the file's certificates to run out. Needs cryptography."""
    from cryptography import x509

    try:
        certificates = x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError:
        return Check(
            TOPIC,
            name,
            State.FAIL,
            f"{path} holds no PEM certificate",
            "Name a file that begins with BEGIN CERTIFICATE.",
        )
    first = min(certificates, key=lambda each: each.not_valid_after_utc)
    days = (first.not_valid_after_utc - now).total_seconds() / 86400
    begins = max(each.not_valid_before_utc for each in certificates)
    until = f"{path}: good until {first.not_valid_after_utc:%Y-%m-%d}"
    renew = "Renew it; a running gateway takes the new file by itself."
    if begins > now:
        return Check(
            TOPIC,
            name,
            State.FAIL,
            f"{path}: good only from {begins:%Y-%m-%d %H:%M} UTC",
            "See that the clock is right.",
        )
    if days <= 0:
        return Check(TOPIC, name, State.FAIL, f"{path}: ran out on {first.not_valid_after_utc:%Y-%m-%d}", renew)
    if days < SOON_DAYS:
        return Check(TOPIC, name, State.WARN, f"{until}, {days:.0f} days left", renew)
    return Check(TOPIC, name, State.OK, f"{until}, {days:.0f} days left")


def check_pair(certificate: Path, key: Path) -> Check:
    """Whether the key is the certificate's."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, OSError) as error:
        why = "is not the certificate's" if "MISMATCH" in str(error) else "cannot be read"
        remedy = "Name the PEM key that the certificate was made with, without a passphrase."
        return Check(TOPIC, "CXRSHIFT_TLS_KEY", State.FAIL, f"{key} {why}", remedy)
    return Check(TOPIC, "CXRSHIFT_TLS_KEY", State.OK, f"{key} is the certificate's")
