"""Usage events and what corrects them."""

from collections.abc import Sequence
from uuid import UUID

from app.api.loaders.loader import TenantLoader
from app.store.query import grouped, in_order_of
from app.store.tables import UsageCorrection, UsageEvent
from app.store.tenancy import Transaction
from app.store.usage import load_events
from app.store.usage_correction import load_corrections


class UsageEventLoader(TenantLoader[UUID, UsageEvent | None]):
    """By id."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[UsageEvent | None]:
        """The event of each id."""
        return in_order_of(keys, await load_events(tx, keys), lambda row: row.id)


class CorrectionsLoader(TenantLoader[UUID, list[UsageCorrection]]):
    """The corrections of an event, the oldest first."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[list[UsageCorrection]]:
        """The corrections of each event."""
        return grouped(keys, await load_corrections(tx, keys), lambda row: row.usage_event_id)
