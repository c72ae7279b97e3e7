"""idempotency.purge: answers that are kept no longer."""

from app.store.idempotency import delete_expired
from app.store.tenancy import TenantDatabase


async def purge_idempotency_records(db: TenantDatabase, most: int) -> int:
    """Delete up to `most` of the organization's idempotency keys older than seven days; give how many there were.

    Only the worker's login may. Repeating it goes on where it stopped.
    """
    async with db.write() as tx:
        return await delete_expired(tx, most)
