"""A certificate for 127.0.0.1, signed by itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from cxrshift.pacs.bridge.settings import Certificate


def make_certificate(folder: Path, name: str) -> Certificate:
    """Shows ``name``, and trusts itself; skips the test where there is no openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not here")
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    subprocess.run([*command, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return Certificate(certificate=certificate, key=key, trusted=certificate)
