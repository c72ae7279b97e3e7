"""Steps of billing that more than one operation takes: price a period, draft it."""

from datetime import datetime

from app.domain.billing import period_lines, proration_note
from app.domain.charge import ChargeLine
from app.domain.errors import AlreadyExists
from app.domain.invoice import BillingReason, Invoice, drafted
from app.domain.period import Period
from app.domain.subscription import Subscription
from app.store.invoice import insert_invoice, insert_lines, load_live_invoice
from app.store.meter import load_meters
from app.store.query import new_id
from app.store.tenancy import Transaction, WriteTransaction
from app.store.usage import load_quantities


async def price_period(
    tx: Transaction, subscription: Subscription, lived: Period, whole: Period
) -> tuple[ChargeLine, ...]:
    """The lines of a subscription's period, of what is recorded by now."""
    meter_ids = [
        feature.meter_id for feature in subscription.plan.features if feature.is_billed and feature.meter_id is not None
    ]
    used = await load_quantities(
        tx,
        subscription_id=subscription.id,
        customer_id=subscription.customer_id,
        meters=await load_meters(tx, meter_ids),
        period=lived,
    )
    return period_lines(subscription.plan, subscription.quantity, lived, whole, used)


async def draft_period(
    tx: WriteTransaction, subscription: Subscription, moment: datetime, notes: str | None = None
) -> Invoice:
    """Store a DRAFT of the period around an instant, as far as the subscription lived in it.

    Raises AlreadyExists where the period has a live invoice, Invalid where an amount passes the bounds.
    """
    whole = subscription.whole_period(moment)
    lived = subscription.lived(whole)
    if await load_live_invoice(tx, subscription.id, lived.start) is not None:
        raise AlreadyExists("This period has an invoice already: use it, or void or delete it first.", "period")
    lines = await price_period(tx, subscription, lived, whole)
    cancelled = lived.end < whole.end
    invoice = drafted(
        invoice_id=new_id(),
        customer_id=subscription.customer_id,
        subscription_id=subscription.id,
        currency=subscription.plan.currency,
        reason=BillingReason.CANCELLATION if cancelled else BillingReason.PERIOD,
        period=lived,
        lines=lines,
        notes="\n".join(note for note in (proration_note(subscription, lived, whole), notes) if note) or None,
    )
    await insert_invoice(tx, invoice)
    await insert_lines(tx, invoice, lines, plan_id=subscription.plan.id)
    return invoice
