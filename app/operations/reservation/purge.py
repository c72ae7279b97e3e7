"""reservation.purge: holds that ended long ago, and counters that count nothing any more."""

from datetime import timedelta

from app.store.retention import purge_counters, purge_holds
from app.store.tenancy import TenantDatabase


async def purge_reservations(db: TenantDatabase, retention_days: int, most: int) -> int:
    """Let go of up to `most` holds that ended longer ago than that, or else of as many counters of earlier periods.

    Gives how many went. A counter goes once no hold of it is left; whoever takes from it again makes another. What was
    used stays, for that is usage. Only the worker's login may. Repeating it goes on where it stopped.
    """
    async with db.write() as tx:
        before = tx.now - timedelta(days=retention_days)
        return await purge_holds(tx, before, most) or await purge_counters(tx, before, most)
