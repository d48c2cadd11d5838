"""An OIDC issuer's public keys (JWKS, RFC 7517), fetched when needed and kept."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import jwt

from cxrshift.errors import Unavailable
from cxrshift.telemetry import describe_fault, log_event

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures that a public key verifies. Never ``none``, never one whose key both sides would have to share."""

_FRESH_SECONDS = 600.0
_PAUSE_SECONDS = 30.0
"""Between fetches for keys that nobody knows: made-up ones must not turn this service on its issuer."""
_STALE_SECONDS = 86_400.0
"""How long keys are believed that could not be fetched again."""
_TIMEOUT = 5.0
_MOST_BYTES = 1 << 20
_LOOPBACK = ("127.0.0.1", "localhost")

logger = logging.getLogger("cxrshift.access")


class SigningKeys:
    """The keys of ``issuer``: at ``jwks_url``, or where the issuer's discovery document says (OIDC Discovery 1.0)."""

    def __init__(self, issuer: str, jwks_url: str = "") -> None:
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = self._tried = float("-inf")
        self._fetching = asyncio.Lock()

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """The key of that id, None where the issuer has none. Raises Unavailable where no keys could be had."""
        if self._must_fetch(key_id):
            async with self._fetching:
                if self._must_fetch(key_id):
                    await self._fetch()
        if time.monotonic() - self._fetched > _STALE_SECONDS:
            raise Unavailable("The tokens' issuer cannot be reached now; come back later.", retry_after=_PAUSE_SECONDS)
        return self._keys.get(key_id)

    def _must_fetch(self, key_id: str) -> bool:
        now = time.monotonic()
        wanted = key_id not in self._keys or now - self._fetched > _FRESH_SECONDS
        return wanted and now - self._tried > _PAUSE_SECONDS

    async def _fetch(self) -> None:
        self._tried = time.monotonic()
        try:
            self._keys = await asyncio.to_thread(self._read)
        except Exception as error:  # noqa: BLE001 - whatever the other side sends, the keys known so far stay
            log_event(logger, "no signing keys", level=logging.ERROR, fault=describe_fault(error))
        else:
            self._fetched = self._tried

    def _read(self) -> dict[str, jwt.PyJWK]:
        url = self._jwks_url
        if not url:
            document = _get_json(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
            if document.get("issuer") != self._issuer:
                raise ValueError("another issuer's discovery document")
            url = document["jwks_uri"]
        keys = [_read_key(each) for each in _get_json(url)["keys"]]
        return {key.key_id or "": key for key in keys if key is not None}


def _read_key(document: dict[str, Any]) -> jwt.PyJWK | None:
    """None for a key that is not for checking signatures, or of a kind that is not taken."""
    if document.get("use", "sig") != "sig":
        return None
    try:
        key = jwt.PyJWK(document)
    except jwt.PyJWTError:
        return None
    return key if key.algorithm_name in ALGORITHMS else None


def _get_json(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError("not an https:// address")
    request = urllib.request.Request(url, headers={"Accept": "application/json"})
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
        document = json.loads(answer.read(_MOST_BYTES))
    if not isinstance(document, dict):
        raise TypeError("not a JSON object")
    return document
