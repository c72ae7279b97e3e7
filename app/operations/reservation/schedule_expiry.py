"""reservation.schedule_expiry: an organization's hourly tidying."""

from app.domain.job import JobKind
from app.store.queue import enqueue
from app.store.tenancy import TenantDatabase


async def schedule_expiry(db: TenantDatabase) -> None:
    """Enqueue it, unless one waits or runs already."""
    async with db.write() as tx:
        await enqueue(tx, JobKind.RESERVATION_EXPIRE, once_key="hourly")
