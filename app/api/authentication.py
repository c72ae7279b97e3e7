"""From a request's headers to its tenant: who asks, and inside which organization."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from app.api.act import Act, actor_of, record_acts
from app.api.credential.api_key import ApiKeys
from app.api.credential.member import Memberships
from app.api.credential.principal import Principal
from app.api.credential.token import Tokens, looks_like_token
from app.api.errors import BadUserInput, Forbidden, Unauthenticated
from app.api.ids import NOBODY, ORGANIZATION, uuid_of
from app.api.tenancy import Tenant
from app.domain.credential import prefix_of
from app.store.system import SystemDatabase
from app.store.tenancy import Database

_SCHEME: Final = "bearer "
_HINT: Final = "Send an API key: `Authorization: Bearer tg_live_...`."
_ENTER: Final = "organization:enter"
_REFUSED: Final = "This credential may not enter the organization in X-Organization-ID."

PATHS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class People:
    """How people are let in: whose token it is, and where that one is a member."""

    tokens: Tokens
    memberships: Memberships


class Authenticator:
    """Proves credentials and finds the organization that each may act in; the client never chooses it freely (M21)."""

    def __init__(self, database: Database, system: SystemDatabase, keys: ApiKeys, people: People | None) -> None:
        """`people` is None where no identity provider is set."""
        self._database = database
        self._system = system
        self._keys = keys
        self._people = people
        self._under: OrderedDict[tuple[UUID, UUID], None] = OrderedDict()

    async def tenant(self, headers: Mapping[str, str], request_id: str) -> Tenant:
        """The tenant of a request. Raises Unauthenticated, BadUserInput, and Forbidden, which is audited.

        Without `X-Organization-ID` the credential's own organization is active. The header only narrows: it may name
        that one, or a descendant where the role allows.
        """
        authorization = headers.get("authorization")
        if authorization is None:
            raise Unauthenticated(f"This needs a credential. {_HINT}")
        scheme, given = authorization[: len(_SCHEME)], authorization[len(_SCHEME) :]
        secret = given.strip() if scheme.lower() == _SCHEME else ""
        named = headers.get("x-organization-id")
        wanted = None if named is None else uuid_of(ORGANIZATION, named)
        prefix = prefix_of(secret)
        if prefix is not None:
            principal = self._keys.remembered(secret, prefix) or await self._keys.principal(secret, prefix)
            if principal is None:
                raise Unauthenticated("This API key is not known, or not in force any more.")
            if wanted is None or wanted == principal.home:
                return Tenant(principal.home, principal)
            return await self._elsewhere(principal, wanted, request_id)
        if self._people is not None and looks_like_token(secret):
            subject = await self._people.tokens.subject(secret)
            return await self._member(self._people.memberships, subject, wanted, request_id)
        raise Unauthenticated(f"The Authorization header holds no API key. {_HINT}")

    async def _elsewhere(self, principal: Principal, wanted: UUID, request_id: str) -> Tenant:
        if _ENTER in principal.scopes and await self._is_under(principal.home, wanted):
            return Tenant(wanted, principal)
        raise await self._kept_out(principal, wanted, request_id)

    async def _member(self, memberships: Memberships, subject: str, wanted: UUID | None, request_id: str) -> Tenant:
        found = await memberships.of(subject, wanted)
        if wanted is not None:
            for principal, above in found:
                if above == 0 or _ENTER in principal.scopes:
                    return Tenant(wanted, principal)
            known = found or await memberships.of(subject, None)
            if known:
                raise await self._kept_out(known[0][0], wanted, request_id)
            raise Forbidden(_REFUSED)
        if not found:
            raise Forbidden("You are a member of no organization here: have an owner or admin add you.")
        if len(found) > 1:
            raise BadUserInput("You are a member of several organizations: name one in X-Organization-ID.")
        principal, _ = found[0]
        return Tenant(principal.home, principal)

    async def _kept_out(self, principal: Principal, wanted: UUID, request_id: str) -> Forbidden:
        """The denial, once it is in the audit records of the organization that the principal is of."""
        role = principal.role
        denial = Act.denied("organization.enter", f"the role {role} may not enter what X-Organization-ID names")
        if wanted != NOBODY:
            denial = replace(denial, record_type="organization", record_id=wanted)
        await record_acts(self._database.tenant(principal.home, actor_of(principal, request_id)), [denial])
        return Forbidden(_REFUSED)

    async def _is_under(self, home: UUID, wanted: UUID) -> bool:
        """Whether an organization lies below another: what did once does for ever, since no parent ever changes."""
        if (home, wanted) in self._under:
            self._under.move_to_end((home, wanted))
            return True
        if wanted == NOBODY or not await self._system.is_under(home, wanted):
            return False
        self._under[home, wanted] = None
        if len(self._under) > PATHS_MAX:
            self._under.popitem(last=False)
        return True
