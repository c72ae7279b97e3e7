"""organization.report: what was billed below an organization, added up."""

from app.store.audit import record
from app.store.operator import BillingTotal, OperatorDatabase
from app.store.tenancy import TenantDatabase


async def report_organization(db: TenantDatabase, operator: OperatorDatabase) -> list[BillingTotal]:
    """What an organization and all below it invoiced, were paid and are owed, by mode and currency.

    The audit record of the organization comes first: nothing is added up that was not recorded. Raises Unavailable.
    """
    async with db.write(whatever_status=True) as tx:
        await record(tx, "organization.report", tx.organization_id)
    return await operator.billing_totals(db.organization_id)
