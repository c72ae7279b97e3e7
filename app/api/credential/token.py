"""JSON Web Tokens of an OpenID Connect provider: whose they are, once everything about them is proved."""

import json
import re
import warnings
from dataclasses import dataclass
from typing import Any, Final

import structlog
from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwt import JWTClaimsRegistry

from app.api.credential.key_set import KeySet, KeysUnavailable
from app.api.errors import Overloaded, Unauthenticated
from app.domain.credential import subject
from app.domain.errors import Invalid

log = structlog.get_logger(__name__)

TOKEN_LENGTH_MAX: Final = 8 * 1024
KID_LENGTH_MAX: Final = 255
LEEWAY_SECONDS: Final = 30

_FORMAT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\Z", re.ASCII)

_NEVER: Final = ("jku", "x5u", "jwk", "x5c", "crit", "b64")
"""Headers by which a token would bring its own key, or its own rules."""

# "EdDSA" is the name that providers use; the library asks for "Ed25519" instead, at every token.
warnings.filterwarnings("ignore", "EdDSA is deprecated", SecurityWarning)


@dataclass(frozen=True, slots=True)
class Provider:
    """Whose tokens are believed, for whom they must be made, and how they may be signed."""

    issuer: str
    audience: str
    jwks_url: str
    algorithms: frozenset[str]


class _Refused(Exception):
    """Why a token is not accepted: for the log alone."""


class _Registry(jws.JWSRegistry):
    max_header_length = 2_048


class Tokens:
    """Checks tokens of one provider. Whatever is wrong with one, its bearer learns the same; the log says what."""

    def __init__(self, provider: Provider, keys: KeySet) -> None:
        self._provider = provider
        self._keys = keys
        self._registry = _Registry(algorithms=list(provider.algorithms), strict_check_header=False)
        self._claims = JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": provider.issuer},
            aud={"essential": True, "value": provider.audience},
            sub={"essential": True},
            exp={"essential": True},
        )

    async def subject(self, token: str) -> str:
        """Whose token this is. Raises Unauthenticated, Overloaded where the provider's keys cannot be had."""
        try:
            return await self._proved(token)
        except KeysUnavailable as error:
            raise Overloaded("The identity provider does not answer: try again in a moment.") from error
        except (_Refused, JoseError, ValueError, RecursionError, Invalid) as error:
            log.info("token.refused", reason=str(error) or type(error).__name__)
            raise Unauthenticated("This token is not accepted: sign in again.") from error

    async def close(self) -> None:
        """Ask the provider for nothing more."""
        await self._keys.close()

    async def _proved(self, token: str) -> str:
        if len(token) > TOKEN_LENGTH_MAX:
            raise _Refused(f"it is longer than {TOKEN_LENGTH_MAX} characters")
        signed = jws.extract_compact(token.encode(), registry=self._registry)
        header = signed.protected
        kid, algorithm = _named(header, self._provider.algorithms)
        key = await self._keys.key(kid, algorithm)
        if key is None:
            raise _Refused(f"the provider has no key {kid!r} for {algorithm}")
        if not jws.validate_compact(signed, key, registry=self._registry):
            raise _Refused("its signature is not the key's")
        claims = _claims_of(signed.payload or b"")
        self._claims.validate(claims)
        if "nbf" not in claims and "iat" not in claims:
            raise _Refused("it says neither from when it counts (nbf) nor when it was made (iat)")
        return subject(claims["sub"], "sub")


def looks_like_token(text: str) -> bool:
    """Whether this has the form of a signed token."""
    return _FORMAT.match(text) is not None


def _named(header: dict[str, Any], algorithms: frozenset[str]) -> tuple[str, str]:
    """The key that a header names, and the algorithm. Raises _Refused."""
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm not in algorithms:
        raise _Refused(f"its algorithm {str(algorithm)[:20]!r} is none of those allowed")
    for name in _NEVER:
        if name in header:
            raise _Refused(f"its header holds {name}")
    if not isinstance(kid, str) or not 0 < len(kid) <= KID_LENGTH_MAX:
        raise _Refused("its header names no key (kid)")
    return kid, algorithm


def _claims_of(payload: bytes) -> dict[str, Any]:
    claims = json.loads(payload)
    if not isinstance(claims, dict):
        raise _Refused("its payload is no JSON object")
    return claims
