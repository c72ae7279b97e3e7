"""subscription.create."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app.domain.errors import CurrencyMismatch, Invalid, InvalidState, NotFound
from app.domain.plan import PlanStatus
from app.domain.subscription import Subscription
from app.domain.text import metadata
from app.store.audit import record
from app.store.customer import load_customer, load_default_customer
from app.store.plan import load_domain_plan, load_plan_by_key
from app.store.query import new_id
from app.store.subscription import insert_subscription
from app.store.tables import Customer, Plan
from app.store.tenancy import TenantDatabase, WriteTransaction

QUANTITY_MAX = 1_000_000
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


async def create_subscription(db: TenantDatabase, new: NewSubscription) -> UUID:
    """Subscribe a customer to a plan version and give the subscription's id.

    Raises NotFound, InvalidState for a plan that is not active, CurrencyMismatch, Invalid.
    """
    if not 1 <= new.quantity <= QUANTITY_MAX:
        raise Invalid(f"Give a quantity from 1 to {QUANTITY_MAX:,}.", "quantity")
    async with db.write() as tx:
        customer = await _customer(tx, new.customer_id)
        plan = await _plan(tx, new.plan_key, new.plan_version)
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
        subscription = Subscription(
            id=new_id(),
            customer_id=customer.id,
            quantity=new.quantity,
            started_at=start,
            billing_anchor=new.billing_anchor or start,
            plan=await load_domain_plan(tx, plan.id),
            zone=tx.facts.zone,
        )
        await insert_subscription(tx, subscription, metadata(new.metadata, "metadata"))
        await record(tx, "subscription.create", subscription.id, {"plan": f"{plan.key} version {plan.version}"})
        return subscription.id


async def _customer(tx: WriteTransaction, customer_id: UUID | None) -> Customer:
    if customer_id is None:
        return await load_default_customer(tx)
    customer = await load_customer(tx, customer_id)
    if customer is None:
        raise NotFound("No customer has this id.", "customerId")
    return customer


async def _plan(tx: WriteTransaction, key: str, version: int | None) -> Plan:
    plan = await load_plan_by_key(tx, key, version, statuses=[PlanStatus.ACTIVE])
    if plan is None:
        raise NotFound(
            "No active plan has this key: publish a version of it first."
            if version is None
            else "No plan has this key and version.",
            "planKey",
        )
    if plan.status != PlanStatus.ACTIVE:
        raise InvalidState(
            f"Version {plan.version} of the plan is {plan.status}: only an ACTIVE one can be subscribed to.",
            "planVersion",
        )
    return plan
