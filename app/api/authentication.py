"""From a request's headers to its tenant: who asks, and inside which organization."""

from collections.abc import Mapping
from typing import Final

from app.api.errors import Forbidden, Unauthenticated
from app.api.ids import NOBODY, ORGANIZATION, uuid_of
from app.api.tenancy import Principal, Tenant
from app.domain.credential import is_same, prefix_of, secret_hash
from app.domain.role import Role
from app.store.system import SystemDatabase

_SCHEME: Final = "bearer "
_HINT: Final = "Send an API key: `Authorization: Bearer tg_live_...`."


class Authenticator:
    """Proves credentials. A key is found by its prefix and compared, as an HMAC, in constant time."""

    def __init__(self, system: SystemDatabase, pepper: str) -> None:
        self._system = system
        self._pepper = pepper

    async def tenant(self, headers: Mapping[str, str]) -> Tenant:
        """The tenant of a request. Raises Unauthenticated, Forbidden for an organization that may not be entered.

        Without `X-Organization-ID` the credential's own organization is active. The header only narrows: it may name
        that one, or a descendant where the role allows; a client never chooses its tenant (M21).
        """
        principal = await self._principal(headers.get("authorization"))
        wanted = headers.get("x-organization-id")
        if wanted is None:
            return Tenant(principal.home, principal)
        organization_id = uuid_of(ORGANIZATION, wanted)
        if organization_id != principal.home:
            may_enter = "organization:enter" in principal.scopes and organization_id != NOBODY
            if not (may_enter and await self._system.is_under(principal.home, organization_id)):
                raise Forbidden("This credential may not enter the organization in X-Organization-ID.")
        return Tenant(organization_id, principal)

    async def _principal(self, authorization: str | None) -> Principal:
        if authorization is None:
            raise Unauthenticated(f"This needs a credential. {_HINT}")
        secret = authorization[len(_SCHEME) :].strip() if authorization.lower().startswith(_SCHEME) else ""
        prefix = prefix_of(secret)
        if prefix is None:
            raise Unauthenticated(f"The Authorization header holds no API key. {_HINT}")
        given = secret_hash(secret, self._pepper)
        for key in await self._system.find_api_keys(prefix):
            if is_same(given, key.secret_hash):
                return Principal("API_KEY", key.id, key.name, Role(key.role), key.organization_id)
        raise Unauthenticated("This API key is not known, or not in force any more.")
