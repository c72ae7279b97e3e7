"""usage.purge: events that are kept no longer."""

from datetime import timedelta

from app.domain.errors import Invalid
from app.store.retention import purge_hours
from app.store.tenancy import TenantDatabase

RETENTION_DAYS_MIN = 71
"""An event may come 35 days late, and its identity is kept for 35 days more; the database itself refuses less."""


async def purge_usage(db: TenantDatabase, retention_days: int, most: int) -> int:
    """Let go of the events of up to `most` hours that are older than that and billed for good; give how many hours.

    What the hours came to stays. Only the worker's login may. Repeating it goes on where it stopped.
    """
    if retention_days < RETENTION_DAYS_MIN:
        raise Invalid(f"Events are kept for {RETENTION_DAYS_MIN} days at least.")
    async with db.write() as tx:
        return await purge_hours(tx, tx.now - timedelta(days=retention_days), most)
