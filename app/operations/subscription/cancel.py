"""subscription.cancel: now, at the period's end, or at an instant."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.domain.errors import InvalidState, NotFound
from app.domain.invoice import InvoiceStatus
from app.domain.subscription import CancelTiming, Subscription, SubscriptionStatus
from app.domain.text import LONG_MAX, optional_text
from app.store.audit import record
from app.store.billing import draft_period
from app.store.finalization import finalize_draft
from app.store.invoice import load_live_invoice
from app.store.subscription import lock_subscription, save_subscription
from app.store.tenancy import TenantDatabase, WriteTransaction


@dataclass(frozen=True, slots=True)
class Cancellation:
    """When a subscription ends and why; `at` goes with AT alone."""

    timing: CancelTiming
    at: datetime | None
    reason: str | None
    expected_version: int | None


async def cancel_subscription(db: TenantDatabase, subscription_id: UUID, cancellation: Cancellation) -> UUID | None:
    """Set the subscription's end; where that is not in the future, bill its last part at once and give the invoice.

    The base fee is prorated, usage is billed as it was. None where nothing was billed now: the end lies ahead, or the
    period was invoiced before. Raises NotFound, VersionConflict, InvalidState, Invalid.
    """
    reason = optional_text(cancellation.reason, "reason", longest=LONG_MAX)
    async with db.write() as tx:
        subscription = await lock_subscription(tx, subscription_id)
        if subscription is None:
            raise NotFound("No subscription has this id.", "subscriptionId")
        ended = subscription.expecting(cancellation.expected_version).cancelled(
            cancellation.timing, now=tx.now, at=cancellation.at, reason=reason
        )
        await save_subscription(tx, ended)
        await record(
            tx, "subscription.cancel", ended.id, {"cancelAt": ended.cancel_at.isoformat() if ended.cancel_at else None}
        )
        return await _bill_last_part(tx, ended)


async def _bill_last_part(tx: WriteTransaction, subscription: Subscription) -> UUID | None:
    if subscription.status is not SubscriptionStatus.CANCELED:
        return None
    moment = subscription.last_moment(tx.now)
    lived = subscription.lived(subscription.whole_period(moment))
    if lived.start == lived.end:
        return None
    live = await load_live_invoice(tx, subscription.id, lived.start)
    if live is not None:
        if live.status == InvoiceStatus.DRAFT:
            raise InvalidState(
                "The current period has a DRAFT invoice: finalize, void or delete it, then cancel.", "subscriptionId"
            )
        return None
    final = await finalize_draft(tx, await draft_period(tx, subscription, moment))
    await record(tx, "invoice.finalize", final.id, {"number": final.number})
    return final.id
