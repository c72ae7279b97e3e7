"""Reservations."""

from collections.abc import Sequence
from uuid import UUID

from app.api.loaders.loader import TenantLoader
from app.store.query import in_order_of
from app.store.reservation import load_reservations
from app.store.tables import Reservation
from app.store.tenancy import Transaction


class ReservationLoader(TenantLoader[UUID, Reservation | None]):
    """By id."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[Reservation | None]:
        """The reservation of each id."""
        return in_order_of(keys, await load_reservations(tx, keys), lambda row: row.id)
