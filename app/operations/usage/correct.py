"""usage.correct: an event is taken back, or given another quantity; what is invoiced of it already is adjusted."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from app.domain.errors import Invalid, InvalidState, NotFound
from app.domain.invoice import Invoice
from app.domain.money import figure
from app.domain.text import LONG_MAX, text
from app.domain.usage import bad_quantity
from app.store.adjustment import draft_adjustments
from app.store.audit import record
from app.store.late_usage import Stretch, insert_late
from app.store.subscription import lock_subscription
from app.store.tables import UsageEvent
from app.store.tenancy import TenantDatabase, WriteTransaction
from app.store.usage import find_carrier, is_waiting, load_event_of
from app.store.usage_correction import load_corrections
from app.store.usage_hour import HourPurged, correct_event


@dataclass(frozen=True, slots=True)
class Correction:
    """Which event, by its identity, and what it counts for from now on: 0 takes it back."""

    source: str
    event_id: str
    quantity: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class Corrected:
    """The event, and the draft that books the difference where its period is invoiced and an amount differs."""

    event_id: UUID
    adjustment_id: UUID | None


async def correct_usage(db: TenantDatabase, correction: Correction) -> Corrected:
    """Put a correction beside an event; the newest one counts, and the event itself never changes.

    Where its period is invoiced, the period's ADJUSTMENT is drawn up: a draft that gathers what follows until the next
    billing run finalizes it. Raises NotFound, Invalid also for what the event counts for already, InvalidState for one
    that waits in the inbox or whose hour is no longer kept. One transaction, with the audit record.
    """
    reason = text(correction.reason, "reason", longest=LONG_MAX)
    if problem := bad_quantity(correction.quantity):
        raise Invalid(problem, "quantity")
    async with db.write() as tx:
        event = await _event(tx, correction)
        await _check_new(tx, event, correction.quantity)
        try:
            # The hour before the subscription: as whoever records usage locks them.
            await correct_event(tx, event, correction.quantity, reason)
        except HourPurged as purged:
            raise InvalidState(
                "The events around it are no longer kept, so that its hour cannot be counted anew: adjust the ledger"
                " instead.",
                "eventId",
            ) from purged
        adjustment = await _adjusted(tx, event)
        changes = {"quantity": f"{correction.quantity:f}", "reason": reason}
        changes |= {} if adjustment is None else {"adjustment": str(adjustment.id)}
        await record(tx, "usage.correct", event.id, changes, of="usage_event")
        return Corrected(event.id, None if adjustment is None else adjustment.id)


async def _event(tx: WriteTransaction, correction: Correction) -> UsageEvent:
    source = text(correction.source, "source", longest=255)
    event_id = text(correction.event_id, "eventId", longest=255)
    event = await load_event_of(tx, source, event_id)
    if event is not None:
        return event
    if await is_waiting(tx, source, event_id):
        raise InvalidState("It waits for its meter or its customer: it can be corrected once it counts.", "eventId")
    raise NotFound("No event of this source has this event id.", "eventId")


async def _check_new(tx: WriteTransaction, event: UsageEvent, quantity: Decimal) -> None:
    earlier = await load_corrections(tx, [event.id])
    if earlier:
        if earlier[-1].quantity == quantity:
            raise Invalid(f"The event is corrected to {figure(quantity)} already.", "quantity")
    elif event.quantity == quantity != 0:
        raise Invalid(f"The event's quantity is {figure(quantity)} already.", "quantity")


async def _adjusted(tx: WriteTransaction, event: UsageEvent) -> Invoice | None:
    """The draft that books the difference to the event's period; None where it is not invoiced, or nothing differs."""
    subscription_id = event.subscription_id or await find_carrier(tx, event)
    if subscription_id is None:
        return None
    subscription = await lock_subscription(tx, subscription_id)
    stretches = {subscription.id: Stretch(event.occurred_at, event.occurred_at)}
    drafts = await draft_adjustments(tx, stretches)
    await insert_late(tx, stretches if drafts else {})
    return drafts[0] if drafts else None
