"""Customers."""

from collections.abc import Sequence
from uuid import UUID

from app.api.loaders.loader import TenantLoader
from app.store.customer import load_customers
from app.store.query import in_order_of
from app.store.tables import Customer
from app.store.tenancy import Transaction


class CustomerLoader(TenantLoader[UUID, Customer | None]):
    """By id."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[Customer | None]:
        """The customer of each id."""
        rows = await load_customers(tx, keys, self.context.columns("Customer", "id"))
        return in_order_of(keys, rows, lambda row: row.id)
