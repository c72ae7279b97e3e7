"""usage.schedule_purge: an organization's daily purge of events."""

from app.domain.job import JobKind
from app.store.queue import enqueue
from app.store.tenancy import TenantDatabase


async def schedule_usage_purge(db: TenantDatabase, retention_days: int) -> None:
    """Enqueue the purge, unless one waits or runs already."""
    async with db.write() as tx:
        await enqueue(tx, JobKind.USAGE_PURGE, {"retentionDays": retention_days}, once_key="daily")
