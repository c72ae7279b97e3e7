"""subscription.pause: no base fee until it resumes; usage stays billable."""

from datetime import datetime
from uuid import UUID

from app.domain.audit import Change
from app.domain.period import shown
from app.store.audit import record
from app.store.subscription import lock_subscription, save_subscription
from app.store.tenancy import TenantDatabase


async def pause_subscription(
    db: TenantDatabase, subscription_id: UUID, *, resumes_at: datetime | None, expected_version: int | None
) -> None:
    """Stop the base fee from now on, until an instant or until it is resumed.

    What was paid in advance for the pause is credited on the next invoice. Raises NotFound, VersionConflict,
    InvalidState, Invalid.
    """
    async with db.write() as tx:
        before = await lock_subscription(tx, subscription_id)
        after = before.expecting(expected_version).paused(now=tx.now, resumes_at=resumes_at)
        await save_subscription(tx, after, before)
        status = Change(before.status(tx.now), after.status(tx.now))
        changes = {"status": status, "resumesAt": resumes_at and shown(resumes_at)}
        await record(tx, "subscription.pause", after.id, changes)
