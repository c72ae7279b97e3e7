"""API keys."""

from collections.abc import Sequence
from uuid import UUID

from app.api.loaders.loader import TenantLoader
from app.store.api_key import load_api_keys
from app.store.query import in_order_of
from app.store.tables import ApiKey
from app.store.tenancy import Transaction


class ApiKeyLoader(TenantLoader[UUID, ApiKey | None]):
    """By id."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[ApiKey | None]:
        """The API key of each id."""
        return in_order_of(keys, await load_api_keys(tx, keys), lambda row: row.id)
