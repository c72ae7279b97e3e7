"""usage.release: a hold that is not needed is given back."""

from uuid import UUID

from app.store.audit import record
from app.store.news import tell_usage
from app.store.reservation import end_reservation, lock_reservation
from app.store.tenancy import TenantDatabase


async def release_usage(db: TenantDatabase, reservation_id: UUID) -> None:
    """End a hold without usage: what it held is free. Raises NotFound, InvalidState where it is not HELD any more."""
    async with db.write() as tx:
        held, _ = await lock_reservation(tx, reservation_id)
        await end_reservation(tx, held.released(tx.now))
        await record(tx, "usage.release", held.id, of="reservation")
        await tell_usage(tx, [held.customer_id])
