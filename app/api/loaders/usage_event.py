"""Usage events."""

from collections.abc import Sequence
from uuid import UUID

from app.api.loaders.loader import TenantLoader
from app.store.query import in_order_of
from app.store.tables import UsageEvent
from app.store.tenancy import Transaction
from app.store.usage import load_events


class UsageEventLoader(TenantLoader[UUID, UsageEvent | None]):
    """By id."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[UsageEvent | None]:
        """The event of each id."""
        return in_order_of(keys, await load_events(tx, keys), lambda row: row.id)
