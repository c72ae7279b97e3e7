"""Entries and balances."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from app.api.loaders.loader import TenantLoader
from app.api.tenancy import Context
from app.domain.money import Money
from app.store.balance import load_customer_balances
from app.store.ledger import load_entries
from app.store.query import in_order_of
from app.store.tables import LedgerEntry
from app.store.tenancy import Transaction


class LedgerEntryLoader(TenantLoader[UUID, LedgerEntry | None]):
    """By id."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[LedgerEntry | None]:
        """The entry of each id."""
        rows = await load_entries(tx, keys, self.context.columns("LedgerEntry", "id"))
        return in_order_of(keys, rows, lambda row: row.id)


class BalancesLoader(TenantLoader[UUID, list[Money]]):
    """What a customer owes, a Money per currency: as kept, or as it counted and was known at instants."""

    def __init__(self, context: Context, as_of: datetime | None, known_at: datetime | None) -> None:
        super().__init__(context)
        self._as_of, self._known_at = as_of, known_at

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[list[Money]]:
        """The balances of each customer."""
        balances: dict[UUID, list[Money]] = defaultdict(list)
        for customer_id, currency, amount in await load_customer_balances(tx, keys, self._as_of, self._known_at):
            balances[customer_id].append(Money(amount, currency))
        return [balances[key] for key in keys]
