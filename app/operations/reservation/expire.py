"""reservation.expire: holds whose time is over, marked as what they are."""

from app.store.audit import record
from app.store.reservation import expire_holds
from app.store.tenancy import TenantDatabase


async def expire_reservations(db: TenantDatabase, most: int) -> bool:
    """Mark holds that have expired as EXPIRED; False where there were none that nobody else is at.

    It looks at up to `most` of them. It tidies: a hold holds nothing from the instant at which it expires, marked or
    not. Repeating it goes on where it stopped.
    """
    async with db.write() as tx:
        expired = await expire_holds(tx, most)
        if expired:
            await record(tx, "reservation.expire", None, {"expired": expired})
        return expired > 0
