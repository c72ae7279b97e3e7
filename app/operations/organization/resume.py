"""organization.resume: a suspended organization goes on."""

from app.domain.audit import Change
from app.store.audit import record
from app.store.organization import move_status
from app.store.tables.organization import OrganizationStatus
from app.store.tenancy import TenantDatabase


async def resume_organization(db: TenantDatabase) -> None:
    """Let an organization go on; what fell due meanwhile is billed by the next run.

    Only the worker's login may. Raises InvalidState where it is not SUSPENDED.
    """
    async with db.write(whatever_status=True) as tx:
        before, after = OrganizationStatus.SUSPENDED, OrganizationStatus.ACTIVE
        await move_status(tx, before, after)
        await record(tx, "organization.resume", tx.organization_id, {"status": Change(before, after)})
