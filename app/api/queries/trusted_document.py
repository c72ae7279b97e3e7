"""Trusted documents."""

import strawberry

from app.api.pagination import Connection, ListRequest, PageArguments, Paged, connection_of
from app.api.permission import Reads
from app.api.tenancy import Info
from app.api.types.trusted_document import TrustedDocument
from app.store.trusted_document import listing


@strawberry.type
class TrustedDocumentQueries:
    """Trusted documents as a list."""

    @strawberry.field(
        extensions=[Reads("trusted_document:read"), Paged()], description="The trusted documents, the newest first."
    )
    async def trusted_documents(
        self,
        info: Info,
        page: PageArguments,
    ) -> Connection[TrustedDocument]:
        """A page of trusted documents."""
        return await connection_of(info, listing, ListRequest(page, {}))
