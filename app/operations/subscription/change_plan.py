"""subscription.change_plan: another plan version, or other seats, from now on."""

from dataclasses import dataclass
from uuid import UUID

from app.domain.audit import Change
from app.domain.billing import due_at_change
from app.domain.invoice import Invoice
from app.domain.subscription import ProrationBehavior, Subscription
from app.store.audit import record
from app.store.billing import bill_at_once
from app.store.plan import load_domain_plan, load_plan_to_subscribe
from app.store.subscription import lock_subscription, save_subscription
from app.store.tenancy import TenantDatabase, WriteTransaction


@dataclass(frozen=True, slots=True)
class PlanChange:
    """What a subscription changes to: the newest active version and the same seats, where left out."""

    plan_key: str
    plan_version: int | None
    quantity: int | None
    proration: ProrationBehavior
    expected_version: int | None


async def change_subscription_plan(db: TenantDatabase, subscription_id: UUID, change: PlanChange) -> UUID | None:
    """Put the subscription on another plan version, or give it other seats; give the invoice where one is made at once.

    Usage belongs to the plan that was in force when it occurred. Raises NotFound, VersionConflict, InvalidState for a
    plan that is not active or a subscription that has ended, CurrencyMismatch, Invalid.
    """
    async with db.write() as tx:
        before = await lock_subscription(tx, subscription_id)
        before.expecting(change.expected_version)
        row = await load_plan_to_subscribe(tx, change.plan_key, change.plan_version, known=before.plan.id)
        plan = await load_domain_plan(tx, row.id)
        quantity = before.quantity if change.quantity is None else change.quantity
        after = before.changed(plan, quantity, change.proration, now=tx.now)
        final = await _billed_at_once(tx, after, change.proration)
        if change.proration is ProrationBehavior.RESET_PERIOD:
            after = after.billed(tx.now)
        await save_subscription(tx, after, before)
        changes = {
            "plan": f"{row.key} version {row.version}",
            "quantity": Change(before.quantity, quantity),
            "proration": change.proration,
        }
        await record(tx, "subscription.change_plan", after.id, changes)
        return None if final is None else final.id


async def _billed_at_once(tx: WriteTransaction, after: Subscription, proration: ProrationBehavior) -> Invoice | None:
    if tx.now < after.timeline.billed_from:
        return None
    match proration:
        case ProrationBehavior.PRORATE_NOW:
            return await bill_at_once(tx, after, tx.now, due_at_change)
        case ProrationBehavior.RESET_PERIOD:
            return await bill_at_once(tx, after, tx.now)
        case _:
            return None
