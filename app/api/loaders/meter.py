"""Meters."""

from collections.abc import Sequence
from uuid import UUID

from app.api.loaders.loader import TenantLoader
from app.store.meter import load_meters, load_meters_by_key
from app.store.query import in_order_of
from app.store.tables import Meter
from app.store.tenancy import Transaction


class MeterLoader(TenantLoader[UUID, Meter | None]):
    """By id."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[Meter | None]:
        """The meter of each id."""
        return in_order_of(keys, await load_meters(tx, keys), lambda row: row.id)


class MeterByKeyLoader(TenantLoader[str, Meter | None]):
    """By key."""

    async def load_batch(self, tx: Transaction, keys: Sequence[str]) -> list[Meter | None]:
        """The meter of each key."""
        found = {row.key: row for row in await load_meters_by_key(tx, keys)}
        return [found.get(key) for key in keys]
