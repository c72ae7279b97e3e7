"""trusted_document.remove."""

from uuid import UUID

from app.store.audit import record
from app.store.tenancy import TenantDatabase
from app.store.trusted_document import delete_trusted_document


async def remove_document(db: TenantDatabase, id_: UUID) -> None:
    """Trust a document no more: from now on it is not found in any process. Raises NotFound."""
    async with db.write(whatever_status=True) as tx:
        await delete_trusted_document(tx, id_)
        await record(tx, "trusted_document.remove", id_)
