"""API keys: made here, looked up through `system.py` before a tenant is known."""

from typing import Any, Final

from app.store.query import Relation
from app.store.tables import ApiKey
from app.store.tenancy import WriteTransaction

_INSERT: Final = Relation(ApiKey).insert()


async def insert_api_key(tx: WriteTransaction, **values: Any) -> None:
    """Store a key: the HMAC of its secret, never the secret."""
    await tx.execute(_INSERT, last_used_at=None, revoked_at=None, **values)
