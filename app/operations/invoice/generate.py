"""invoice.generate: a DRAFT for review, of a subscription's period or empty for lines by hand."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.domain.billing import due_at_boundary
from app.domain.coverage import Coverage
from app.domain.errors import AlreadyExists, Invalid, NotFound
from app.domain.invoice import BillingReason, Invoice, drafted
from app.domain.period import Period, shown
from app.domain.subscription import Subscription, invoice_boundary
from app.domain.text import LONG_MAX, optional_text
from app.store.audit import record
from app.store.billing import draft, load_accounts_at, price
from app.store.customer import load_customer, load_default_customer
from app.store.invoice import insert_invoices
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
    wanted = _period(subscription, period, tx.now)
    at = invoice_boundary(subscription, wanted)
    accounts = (await load_accounts_at(tx, {subscription.id: (subscription, at)}))[subscription.id]
    due = due_at_boundary(subscription.timeline, at, accounts.live)
    if due.is_empty and due_at_boundary(subscription.timeline, at, Coverage()).is_empty:
        raise Invalid("Nothing is to be billed for this period.", "period")
    if due.is_empty:
        raise AlreadyExists("This period has an invoice already: use it, or void or delete it first.", "period")
    (invoice,) = await draft(tx, await price(tx, [(subscription, due)]), notes)
    return invoice


def _period(subscription: Subscription, period: Period | None, now: datetime) -> Period:
    """The subscription's period that was asked for, or its current one. Raises Invalid where there is none such."""
    timeline = subscription.timeline
    if period is None:
        moment = timeline.last_moment(now)
        if moment < timeline.billed_from:
            raise Invalid(f"It is TRIALING until {shown(timeline.billed_from)}: nothing is billed before.", "period")
        return timeline.period_around(moment).lived
    if period.end <= timeline.billed_from:
        raise Invalid("The subscription (or what is billed of it) began after this period.", "period")
    if timeline.ends_at is not None and timeline.ends_at <= period.start:
        raise Invalid("The subscription ended before this period.", "period")
    found = timeline.period_around(max(period.start, timeline.billed_from))
    if period not in (found.whole, found.lived):
        raise Invalid(
            f"Give a period of the subscription: around that instant it is {shown(found.lived.start)}"
            f" to {shown(found.lived.end)}.",
            "period",
        )
    return found.lived


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
    await insert_invoices(tx, [invoice], [None])
    return invoice
