"""Who asks, inside which organization, and which others it may enter."""

import strawberry

from app.api.loaders.organization import OrganizationLoader
from app.api.pagination import Connection, ListRequest, PageArguments, Paged, connection_of
from app.api.permission import Reads
from app.api.tenancy import Info
from app.api.types.money import as_shown
from app.api.types.organization import Organization, Viewer, enterable
from app.store import organization as store


@strawberry.type
class OrganizationQueries:
    """The viewer and organizations."""

    @strawberry.field(extensions=[Reads("viewer:read")], description="Who is asking, and inside which organization.")
    async def viewer(self, info: Info) -> Viewer:
        """The credential."""
        return as_shown(info.context.tenant)

    @strawberry.field(extensions=[Reads("organization:read")], description="The active organization.")
    async def organization(self, info: Info) -> Organization:
        """The active organization."""
        return await info.context.loaders.get(OrganizationLoader).load(info.context.tenant.organization_id)

    @strawberry.field(
        extensions=[Reads("organization:read"), Paged()],
        description="The organizations that this credential may make active.",
    )
    async def organizations(
        self,
        info: Info,
        page: PageArguments,
    ) -> Connection[Organization]:
        """A page of them."""
        request = ListRequest(page, enterable(info.context.tenant))
        return await connection_of(info, store.listing, request)
