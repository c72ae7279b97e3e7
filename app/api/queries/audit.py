"""Who did what, and who was kept from it."""

import strawberry

from app.api.pagination import Connection, PageArguments, Paged, connection_of
from app.api.permission import Reads
from app.api.tenancy import Info
from app.api.types.audit_record import AuditRecord
from app.api.types.filters import AuditRecordFilter, audit_record_list
from app.store.audit_record import listing


@strawberry.type
class AuditQueries:
    """Audit records."""

    @strawberry.field(
        extensions=[Reads("audit:read"), Paged()],
        description="Who did what in the organization, and who was kept from it; the newest first.",
    )
    async def audit_records(
        self,
        info: Info,
        page: PageArguments,
        filter: AuditRecordFilter | None = strawberry.UNSET,
    ) -> Connection[AuditRecord]:
        """A page of audit records."""
        return await connection_of(info, listing, audit_record_list(page, filter))
