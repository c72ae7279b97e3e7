"""Who may come in: API keys and members."""

import strawberry

from app.api.pagination import Connection, ListRequest, PageArguments, Paged, connection_of
from app.api.permission import Reads
from app.api.tenancy import Info
from app.api.types.api_key import ApiKey
from app.api.types.member import Member
from app.store import api_key, member


@strawberry.type
class CredentialQueries:
    """API keys and members."""

    @strawberry.field(
        extensions=[Reads("api_key:read"), Paged()],
        description="The API keys, the newest first; those that were revoked or have expired too.",
    )
    async def api_keys(
        self,
        info: Info,
        page: PageArguments,
    ) -> Connection[ApiKey]:
        """A page of API keys."""
        return await connection_of(info, api_key.listing, ListRequest(page, {}))

    @strawberry.field(extensions=[Reads("member:read"), Paged()], description="The members, the newest first.")
    async def members(
        self,
        info: Info,
        page: PageArguments,
    ) -> Connection[Member]:
        """A page of members."""
        return await connection_of(info, member.listing, ListRequest(page, {}))
