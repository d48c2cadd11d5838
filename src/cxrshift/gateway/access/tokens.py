"""Tokens of an OIDC issuer: JSON Web Tokens (RFC 7519) as access tokens (RFC 9068)."""

from __future__ import annotations

import hashlib
from typing import Any

import jwt

from cxrshift.errors import Unauthenticated
from cxrshift.gateway.access.callers import Caller, Role
from cxrshift.gateway.access.signing_keys import ALGORITHMS, SigningKeys

_LEEWAY_SECONDS = 30.0
"""How far the issuer's clock may be from this one."""
_LONGEST = 16_384
"""Characters of a token that are looked at."""
_NOT_VALID = "The token is not one that this service takes; it must be a signed JWT of the configured issuer."


class TokenVerifier:
    """Checks signature, issuer, audience and times, and reads the roles out of ``roles_claim``.

    ``roles_claim`` is a path such as ``realm_access.roles``; its value a list, or words as ``scope`` has them. A role
    counts by its name, alone or after ``cxrshift:`` or ``cxrshift.``.
    """

    def __init__(self, keys: SigningKeys, *, issuer: str, audience: str, roles_claim: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._roles_claim = roles_claim.split(".")

    async def verify(self, token: str) -> Caller:
        """Whose token it is. Raises Unauthenticated, or Unavailable where the issuer's keys cannot be had."""
        if len(token) > _LONGEST:
            raise Unauthenticated(_NOT_VALID)
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise Unauthenticated(_NOT_VALID) from error
        if header.get("alg") not in ALGORITHMS:
            raise Unauthenticated(_NOT_VALID)
        key = await self._keys.find(str(header.get("kid", "")))
        if key is None:
            raise Unauthenticated(_NOT_VALID)
        claims = self._read_claims(token, key)
        subject = str(claims["sub"])
        pseudonym = hashlib.sha256(f"{self._issuer}\0{subject}".encode("utf-8", "replace")).hexdigest()[:12]
        return Caller(f"sub:{pseudonym}", subject[:128], _read_roles(claims, self._roles_claim))

    def _read_claims(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                key=key,
                algorithms=[key.algorithm_name],
                issuer=self._issuer,
                audience=self._audience,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("The token has expired; get a new one from its issuer.") from error
        except jwt.InvalidAudienceError as error:
            raise Unauthenticated(
                "The token is meant for another service; ask its issuer for this audience."
            ) from error
        except jwt.PyJWTError as error:
            raise Unauthenticated(_NOT_VALID) from error


def _read_roles(claims: dict[str, Any], path: list[str]) -> frozenset[Role]:
    value: Any = claims
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    words = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
    known = {role.value: role for role in Role}
    names = (str(word).removeprefix("cxrshift:").removeprefix("cxrshift.") for word in words)
    return frozenset(known[name] for name in names if name in known)
