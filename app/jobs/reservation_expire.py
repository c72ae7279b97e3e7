"""reservation.expire: {} marks the organization's holds whose time is over."""

from collections.abc import Mapping
from typing import Any, Final

from app.operations.reservation.expire import expire_reservations
from app.store.tenancy import TenantDatabase

BATCH: Final = 1_000


async def do_reservation_expire(db: TenantDatabase, _payload: Mapping[str, Any]) -> None:
    """Mark batch after batch, each in a transaction of its own, until there are no more."""
    while await expire_reservations(db, BATCH):
        pass
