"""organization.archive: a suspended organization is closed for good."""

from app.domain.audit import Change
from app.store.audit import record
from app.store.organization import move_status
from app.store.tables.organization import OrganizationStatus
from app.store.tenancy import TenantDatabase


async def archive_organization(db: TenantDatabase) -> None:
    """Close a suspended organization for good: it can be read and exported, and nothing of it changes any more.

    Only the worker's login may. Raises InvalidState where it is not SUSPENDED.
    """
    async with db.write(whatever_status=True) as tx:
        before, after = OrganizationStatus.SUSPENDED, OrganizationStatus.ARCHIVED
        await move_status(tx, before, after)
        await record(tx, "organization.archive", tx.organization_id, {"status": Change(before, after)})
