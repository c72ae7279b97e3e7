"""subscription.resume: a pause ends now."""

from uuid import UUID

from app.domain.audit import Change
from app.store.audit import record
from app.store.subscription import lock_subscription, save_subscription
from app.store.tenancy import TenantDatabase


async def resume_subscription(db: TenantDatabase, subscription_id: UUID, *, expected_version: int | None) -> None:
    """Let the base fee count again from now on.

    Raises NotFound, VersionConflict, InvalidState where it is not paused.
    """
    async with db.write() as tx:
        before = await lock_subscription(tx, subscription_id)
        after = before.expecting(expected_version).resumed(now=tx.now)
        await save_subscription(tx, after, before)
        status = Change(before.status(tx.now), after.status(tx.now))
        await record(tx, "subscription.resume", after.id, {"status": status})
