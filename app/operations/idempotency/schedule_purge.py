"""idempotency.schedule_purge: an organization's daily purge."""

from app.domain.job import JobKind
from app.store.queue import enqueue
from app.store.tenancy import TenantDatabase


async def schedule_idempotency_purge(db: TenantDatabase) -> None:
    """Enqueue the purge, unless one waits or runs already."""
    async with db.write() as tx:
        await enqueue(tx, JobKind.IDEMPOTENCY_PURGE, once_key="daily")
