"""API keys: made, rotated, revoked and listed here; `system.py` finds them before a tenant is known."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from app.domain.errors import NotFound
from app.store.page import Listing, newest_first
from app.store.query import Query, Relation, any_of, parameter
from app.store.tables import ApiKey
from app.store.tenancy import Transaction, WriteTransaction

api_keys = Relation(ApiKey)
ApiKeyRow = api_keys.row

_BY_ID: Final = api_keys.where(api_keys.c.id == any_of("ids"))

_INSERT: Final = api_keys.insert()

_LOCKED: Final = api_keys.query(api_keys.select(api_keys.c.id == parameter("id", sa.Uuid)).with_for_update())

_ROTATE: Final = api_keys.update("prefix", "secret_hash", "former_prefix", "former_secret_hash", "former_until")

_REVOKE: Final = api_keys.update("revoked_at")

_NOTE_USE: Final = Query(
    """
    update api_keys set last_used_at = now()
    where organization_id = :organization_id and id = any(:ids)
      and (last_used_at is null or last_used_at < now() - interval '1 minute')
    """
)

listing: Final = Listing(api_keys, orders=newest_first(api_keys))


async def load_api_keys(tx: Transaction, ids: Sequence[UUID]) -> list[ApiKey]:
    """The keys with those ids."""
    return await tx.fetch(_BY_ID, ids=list(ids))


async def lock_api_key(tx: WriteTransaction, id_: UUID) -> ApiKey:
    """The key, nobody else's to change until the transaction ends. Raises NotFound."""
    row = await tx.fetch_row(_LOCKED, id=id_)
    if row is None:
        raise NotFound("No API key has this id.", "apiKeyId")
    return row


async def insert_api_key(tx: WriteTransaction, **values: Any) -> None:
    """Store a key: the HMAC of its secret, never the secret."""
    new = {"last_used_at": None, "revoked_at": None, "trusted_documents_only": False}
    former = {"former_prefix": None, "former_secret_hash": None, "former_until": None}  # nosec B105 - there is none yet
    await tx.execute(_INSERT, **(new | former | values))


async def replace_secret(
    tx: WriteTransaction, key: ApiKey, *, prefix: str, secret_hash: bytes, until: datetime
) -> None:
    """Give a key another secret; the one that it has now works until then, and a former one not any more."""
    await tx.execute(
        _ROTATE,
        id=key.id,
        prefix=prefix,
        secret_hash=secret_hash,
        former_prefix=key.prefix,
        former_secret_hash=key.secret_hash,
        former_until=until,
    )


async def revoke(tx: WriteTransaction, id_: UUID, at: datetime) -> None:
    """End a key."""
    await tx.execute(_REVOKE, id=id_, revoked_at=at)


async def note_use(tx: WriteTransaction, ids: Sequence[UUID]) -> None:
    """Note that keys were used now, where that was not noted within the last minute."""
    await tx.execute(_NOTE_USE, ids=list(ids))
