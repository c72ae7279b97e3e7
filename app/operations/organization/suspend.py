"""organization.suspend: nothing changes in it until it is resumed."""

from app.domain.audit import Change
from app.store.audit import record
from app.store.organization import move_status
from app.store.tables.organization import OrganizationStatus
from app.store.tenancy import TenantDatabase


async def suspend_organization(db: TenantDatabase) -> None:
    """Let nothing be changed in an organization, nor by its credentials elsewhere; it can be read, and is not billed.

    Only the worker's login may. Raises InvalidState where it is not ACTIVE.
    """
    async with db.write(whatever_status=True) as tx:
        before, after = OrganizationStatus.ACTIVE, OrganizationStatus.SUSPENDED
        await move_status(tx, before, after)
        await record(tx, "organization.suspend", tx.organization_id, {"status": Change(before, after)})
