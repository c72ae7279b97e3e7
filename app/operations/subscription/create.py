"""subscription.create."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app.domain.errors import CurrencyMismatch, Invalid
from app.domain.subscription import check_quantity, subscribed
from app.domain.text import metadata
from app.store.audit import record, record_all
from app.store.billing import bill_due
from app.store.customer import find_customer
from app.store.plan import load_domain_plan, load_plan_to_subscribe
from app.store.query import new_id
from app.store.subscription import insert_subscription
from app.store.tenancy import TenantDatabase

FURTHEST = timedelta(days=5 * 366)


@dataclass(frozen=True, slots=True)
class NewSubscription:
    """What a new subscription is made of; the default customer, the newest active version, now, where left out."""

    customer_id: UUID | None
    plan_key: str
    plan_version: int | None
    quantity: int
    start_at: datetime | None
    billing_anchor: datetime | None
    metadata: Mapping[str, str] | None


async def create_subscription(db: TenantDatabase, new: NewSubscription) -> tuple[UUID, UUID | None]:
    """Subscribe a customer to a plan version; give the subscription's id, and the invoice's where one is made at once.

    That is so where it begins now, without a trial, on a plan that is billed IN_ADVANCE. Periods of the past are billed
    by the next run. Raises NotFound, InvalidState for a plan that is not active, CurrencyMismatch, Invalid.
    """
    check_quantity(new.quantity)
    async with db.write() as tx:
        customer = await find_customer(tx, new.customer_id)
        plan = await load_plan_to_subscribe(tx, new.plan_key, new.plan_version)
        if plan.currency != customer.currency:
            raise CurrencyMismatch(
                f"The plan is in {plan.currency} and the customer pays in {customer.currency}:"
                " choose a plan in the customer's currency.",
                "planKey",
            )
        start = new.start_at or tx.now
        for instant, name in ((start, "startAt"), (new.billing_anchor or start, "billingAnchor")):
            if not tx.now - FURTHEST <= instant <= tx.now + FURTHEST:
                raise Invalid("Give an instant within five years of now.", name)
        subscription = subscribed(
            subscription_id=new_id(),
            customer_id=customer.id,
            plan=await load_domain_plan(tx, plan.id),
            quantity=new.quantity,
            started_at=start,
            billing_anchor=new.billing_anchor,
            trial_days=plan.trial_days,
            zone=tx.facts.zone,
        )
        await insert_subscription(tx, subscription, metadata(new.metadata, "metadata"))
        await record(tx, "subscription.create", subscription.id, {"plan": f"{plan.key} version {plan.version}"})
        invoices = await bill_due(tx, [subscription], tx.now) if start == tx.now else []
        await record_all(tx, "invoice.finalize", {final.id: {"number": final.number} for final in invoices})
        return subscription.id, invoices[-1].id if invoices else None
