"""subscription.cancel: now, at the period's end, or at an instant."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.domain.audit import Change
from app.domain.period import shown
from app.domain.subscription import CancelTiming
from app.domain.text import LONG_MAX, optional_text
from app.store.audit import record
from app.store.billing import bill_at_once
from app.store.subscription import lock_subscription, save_subscription
from app.store.tenancy import TenantDatabase


@dataclass(frozen=True, slots=True)
class Cancellation:
    """When a subscription ends and why; `at` goes with AT alone."""

    timing: CancelTiming
    at: datetime | None
    reason: str | None
    expected_version: int | None


async def cancel_subscription(db: TenantDatabase, subscription_id: UUID, cancellation: Cancellation) -> UUID | None:
    """Set the subscription's end; where that is not in the future, bill its last part at once and give the invoice.

    The base fee is prorated (what was paid in advance beyond the end is credited), usage is billed as it was. None
    where nothing was billed now. Raises NotFound, VersionConflict, InvalidState, Invalid.
    """
    reason = optional_text(cancellation.reason, "reason", longest=LONG_MAX)
    async with db.write() as tx:
        before = await lock_subscription(tx, subscription_id)
        after = before.expecting(cancellation.expected_version).cancelled(
            cancellation.timing, now=tx.now, at=cancellation.at, reason=reason
        )
        end = after.timeline.ends_at
        final = None
        if end is not None and (end <= tx.now or cancellation.timing is CancelTiming.NOW):
            final = await bill_at_once(tx, after, end)
            after = after.billed(end)
        await save_subscription(tx, after, before)
        changes = {
            "status": Change(before.status(tx.now), after.status(tx.now)),
            "cancelAt": Change(_shown(before.timeline.ends_at), _shown(end)),
        }
        await record(tx, "subscription.cancel", after.id, changes, reason=reason)
        return None if final is None else final.id


def _shown(instant: datetime | None) -> str | None:
    return None if instant is None else shown(instant)
