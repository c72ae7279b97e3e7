"""billing.run: {"until": an instant or null} bills what is due in the organization."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.operations.billing.run import run_billing
from app.store.tenancy import TenantDatabase


class BillingIncomplete(Exception):
    """Some subscriptions could not be billed; the others were."""


async def do_billing_run(db: TenantDatabase, payload: Mapping[str, Any]) -> None:
    """Bill what is due until that instant, or until now. Raises BillingIncomplete, to be tried again."""
    until = payload.get("until")
    summary = await run_billing(db, None if until is None else datetime.fromisoformat(until))
    if summary.failures:
        told = "; ".join(f"{failure.subscription_id}: {failure.message}" for failure in summary.failures[:10])
        raise BillingIncomplete(f"{len(summary.failures)} subscriptions could not be billed: {told}")
