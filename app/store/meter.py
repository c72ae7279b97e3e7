"""Meters: by id, by key, as a list."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
import sqlalchemy as sa

from app.domain.errors import AlreadyExists
from app.store.page import Listing, newest_first
from app.store.query import Relation, any_of
from app.store.tables import Meter
from app.store.tenancy import Transaction, WriteTransaction

meters = Relation(Meter)
MeterRow = meters.row

_BY_ID: Final = meters.where(meters.c.id == any_of("ids"))
_BY_KEY: Final = meters.where(meters.c.key == any_of("keys", sa.Text))
_INSERT: Final = meters.insert()

listing: Final = Listing(meters, orders=newest_first(meters))


async def load_meters(tx: Transaction, ids: Sequence[UUID]) -> list[Meter]:
    """The meters with those ids."""
    return await tx.fetch(_BY_ID, ids=list(ids))


async def load_meters_by_key(tx: Transaction, keys: Sequence[str]) -> list[Meter]:
    """The meters with those keys."""
    return await tx.fetch(_BY_KEY, keys=list(keys))


async def insert_meter(tx: WriteTransaction, **values: Any) -> None:
    """Store a meter. Raises AlreadyExists where its key is taken."""
    try:
        await tx.execute(_INSERT, **values)
    except asyncpg.UniqueViolationError as error:
        raise AlreadyExists("A meter has this key already.", "key") from error
