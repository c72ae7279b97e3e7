"""Which subscriptions a billing run takes up next: those on which something is due, and those whose usage changed."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from app.store.query import Query, Relation, parameter
from app.store.subscription import subscriptions
from app.store.tables import LateUsage
from app.store.tenancy import Transaction, WriteTransaction

_late_usage: Final = Relation(LateUsage)
_until: Final = parameter("until", sa.DateTime(timezone=True))

_is_due: Final = subscriptions.c.due_at <= _until
_is_marked: Final = sa.exists().where(
    _late_usage.in_tenant,
    _late_usage.c.subscription_id == subscriptions.c.id,
    _late_usage.c.recorded_at <= _until,
)


def _locking(condition: sa.ColumnElement[bool], *order: Any) -> dict[bool, Query[Any]]:
    """The statement that locks some subscriptions and passes by those that others are at, by `in_use`.

    Who stores usage of a subscription locks its key (`mark_late`). FOR UPDATE keeps them waiting, and passes those by
    that they are at already; FOR NO KEY UPDATE does neither.
    """
    but = subscriptions.c.id != sa.all_(parameter("but", ARRAY(sa.Uuid)))
    chosen = sa.select(subscriptions.c.id).where(subscriptions.in_tenant, condition, but).order_by(*order)
    limited = chosen.limit(parameter("limit", sa.Integer))
    return {in_use: Query(limited.with_for_update(skip_locked=True, key_share=in_use)) for in_use in (False, True)}


_LOCK_DUE: Final = _locking(_is_due, subscriptions.c.due_at, subscriptions.c.id)
_LOCK_LATE: Final = _locking(_is_marked, subscriptions.c.id)
_COUNT_DUE: Final = Query(
    """
    select count(*), min(due_at) from subscriptions
    where organization_id = :organization_id and due_at <= :until and id <> all(:but ::uuid[])
    """
)
_COUNT_LATE: Final = Query(
    """
    select count(distinct subscription_id), min(recorded_at) from late_usage
    where organization_id = :organization_id and recorded_at <= :until and subscription_id <> all(:but ::uuid[])
    """
)


async def lock_due(
    tx: WriteTransaction, until: datetime, limit: int, but: Iterable[UUID], *, in_use: bool = False
) -> list[UUID]:
    """Some of the subscriptions on which something is due by an instant, the longest due first.

    None that another transaction is at, so that many may bill at once; none of those in `but`. Whoever stores usage is
    at them too, unless they are to be locked though they are `in_use`.
    """
    return [record[0] for record in await tx.fetch(_LOCK_DUE[in_use], until=until, limit=limit, but=list(but))]


async def lock_late(
    tx: WriteTransaction, until: datetime, limit: int, but: Iterable[UUID], *, in_use: bool = False
) -> list[UUID]:
    """Some of the subscriptions whose usage was marked as changed by an instant, locked as `lock_due` does."""
    return [record[0] for record in await tx.fetch(_LOCK_LATE[in_use], until=until, limit=limit, but=list(but))]


async def count_due(tx: Transaction, until: datetime, but: Iterable[UUID]) -> tuple[int, datetime | None]:
    """On how many subscriptions something is due by an instant, and since when at the longest."""
    row = await tx.fetch_row(_COUNT_DUE, until=until, but=list(but))
    return (0, None) if row is None else (row[0], row[1])


async def count_late(tx: Transaction, until: datetime, but: Iterable[UUID]) -> tuple[int, datetime | None]:
    """How many subscriptions were marked by an instant, and when the first of them was."""
    row = await tx.fetch_row(_COUNT_LATE, until=until, but=list(but))
    return (0, None) if row is None else (row[0], row[1])
