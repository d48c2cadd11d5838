"""The one door that every call of every protocol comes through, before its body is read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cxrshift.config import Settings
from cxrshift.errors import Forbidden, Unauthenticated
from cxrshift.gateway.access.api_keys import PREFIX, KeyRing
from cxrshift.gateway.access.callers import Caller, Role, Visitor
from cxrshift.gateway.access.shares import CallerShares
from cxrshift.gateway.access.signing_keys import SigningKeys
from cxrshift.gateway.access.tokens import TokenVerifier

_ANYONE = frozenset({Role.EXPLAIN, Role.CLASSIFY})
"""What everyone may do where access is open; who else is there is nobody's business."""
_BEARER = "bearer "


class Door:
    """Lets callers in by API key or token; everyone, told apart by address, where neither is configured."""

    def __init__(self, *, keys: KeyRing | None, tokens: TokenVerifier | None, shares: CallerShares) -> None:
        self._keys = keys
        self._tokens = tokens
        self.shares = shares

    @classmethod
    def of(cls, settings: Settings) -> Door:
        """The door that the settings describe. Raises KeyFileError."""
        keys = KeyRing(settings.api_keys_file) if settings.api_keys_file else None
        tokens = None
        if settings.oidc_issuer:
            tokens = TokenVerifier(
                SigningKeys(settings.oidc_issuer, settings.oidc_jwks_url),
                issuer=settings.oidc_issuer,
                audience=settings.oidc_audience,
                roles_claim=settings.oidc_roles_claim,
            )
        shares = CallerShares(rate=settings.rate, burst=settings.rate_burst, in_flight=settings.caller_in_flight)
        return cls(keys=keys, tokens=tokens, shares=shares)

    @property
    def is_open(self) -> bool:
        """Whether callers need neither key nor token."""
        return self._keys is None and self._tokens is None

    @asynccontextmanager
    async def enter(self, visitor: Visitor, role: Role | None) -> AsyncIterator[Caller]:
        """Let a caller in for one call. Raises Unauthenticated, Forbidden, Overloaded or Unavailable."""
        caller = await self._recognise(visitor)
        if not caller.may(role):
            raise Forbidden(f"This needs the role {role}, which comes with a key or token, and not with yours.")
        with self.shares.hold(caller.id):
            yield caller

    async def _recognise(self, visitor: Visitor) -> Caller:
        if self.is_open:
            return Caller(f"host:{visitor.host}", visitor.host, _ANYONE)
        credential = visitor.api_key
        if not credential and visitor.authorization[: len(_BEARER)].lower() == _BEARER:
            credential = visitor.authorization[len(_BEARER) :].strip()
        if not credential:
            raise Unauthenticated(f"This service needs {self._wanted()}.")
        if self._keys and (credential.startswith(PREFIX) or not self._tokens):
            return self._keys.find(credential)
        if self._tokens and not visitor.api_key:
            return await self._tokens.verify(credential)
        raise Unauthenticated(f"This service needs {self._wanted()}.")

    def _wanted(self) -> str:
        ways = ["an API key in x-api-key or as Bearer authorization"] if self._keys else []
        ways += ["a token of its issuer as Bearer authorization"] if self._tokens else []
        return ", or ".join(ways)
