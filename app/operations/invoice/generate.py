"""invoice.generate: a DRAFT for review, of a subscription's period or empty for lines by hand."""

from dataclasses import dataclass
from uuid import UUID

from app.domain.errors import Invalid, NotFound
from app.domain.invoice import BillingReason, Invoice, drafted
from app.domain.period import Period, shown
from app.domain.subscription import Subscription
from app.domain.text import LONG_MAX, optional_text
from app.store.audit import record
from app.store.billing import draft_period
from app.store.customer import load_customer, load_default_customer
from app.store.invoice import insert_invoice
from app.store.query import new_id
from app.store.subscription import lock_subscription
from app.store.tenancy import TenantDatabase, WriteTransaction


@dataclass(frozen=True, slots=True)
class InvoiceRequest:
    """Of a subscription's period (the current one where it is left out), or empty for a customer (the default one)."""

    subscription_id: UUID | None
    customer_id: UUID | None
    period: Period | None
    notes: str | None


async def generate_invoice(db: TenantDatabase, request: InvoiceRequest) -> UUID:
    """Store a DRAFT and give its id. Raises NotFound, Invalid, AlreadyExists where the period has a live invoice."""
    notes = optional_text(request.notes, "notes", longest=LONG_MAX)
    if request.subscription_id is not None and request.customer_id is not None:
        raise Invalid("Give subscriptionId or customerId, not both.", "customerId")
    if request.subscription_id is None and request.period is not None:
        raise Invalid("Only a subscription's invoice has a period.", "period")
    async with db.write() as tx:
        if request.subscription_id is None:
            invoice = await _empty(tx, request.customer_id, notes)
        else:
            invoice = await _of_period(tx, request.subscription_id, request.period, notes)
        await record(tx, "invoice.generate", invoice.id)
        return invoice.id


async def _of_period(tx: WriteTransaction, subscription_id: UUID, period: Period | None, notes: str | None) -> Invoice:
    subscription = await lock_subscription(tx, subscription_id)
    if subscription is None:
        raise NotFound("No subscription has this id.", "subscriptionId")
    if period is None:
        return await draft_period(tx, subscription, subscription.last_moment(tx.now), notes)
    _check_period(subscription, period)
    return await draft_period(tx, subscription, max(period.start, subscription.started_at), notes)


def _check_period(subscription: Subscription, period: Period) -> None:
    if period.end <= subscription.started_at:
        raise Invalid("The subscription began after this period.", "period")
    if subscription.cancel_at is not None and subscription.cancel_at <= period.start:
        raise Invalid("The subscription ended before this period.", "period")
    moment = max(period.start, subscription.started_at)
    whole = subscription.whole_period(moment)
    if period not in (whole, subscription.lived(whole)):
        raise Invalid(
            f"Give a period of the subscription: around that instant it is {shown(whole.start)} to {shown(whole.end)}.",
            "period",
        )


async def _empty(tx: WriteTransaction, customer_id: UUID | None, notes: str | None) -> Invoice:
    customer = await load_default_customer(tx) if customer_id is None else await load_customer(tx, customer_id)
    if customer is None:
        raise NotFound("No customer has this id.", "customerId")
    invoice = drafted(
        invoice_id=new_id(),
        customer_id=customer.id,
        subscription_id=None,
        currency=customer.currency,
        reason=BillingReason.MANUAL,
        period=Period(tx.now, tx.now),
        lines=(),
        notes=notes,
    )
    await insert_invoice(tx, invoice)
    return invoice
