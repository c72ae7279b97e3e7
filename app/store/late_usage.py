"""Which subscriptions' usage changed where it is billed already: marked as it happens, so that no run has to search."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from app.store.query import Query, Relation, columns_of, new_id
from app.store.tables import LateUsage
from app.store.tenancy import Transaction, WriteTransaction

_MARK: Final = Query(
    """
    with billed as (
      select id, coalesce(trial_end, started_at) as billed_from, billed_until from subscriptions
      where organization_id = :organization_id and id = any(:subscription_ids ::uuid[]) order by id for key share
    )
    insert into late_usage (organization_id, id, subscription_id, first_at, last_at, recorded_at)
    select :organization_id, e.id, b.id, greatest(e.first_at, b.billed_from), least(e.last_at, b.billed_until), :now
    from unnest(:ids ::uuid[], :subscription_ids ::uuid[], :first ::timestamptz[], :last ::timestamptz[])
         as e (id, subscription_id, first_at, last_at)
    join billed b on b.id = e.subscription_id
    where e.first_at < b.billed_until and e.last_at >= b.billed_from and b.billed_from < b.billed_until
    """
)
_INSERT: Final = Relation(LateUsage).insert_many()
_OF: Final = Query(
    """
    select subscription_id, min(first_at), max(last_at) from late_usage
    where organization_id = :organization_id and subscription_id = any(:ids ::uuid[]) group by subscription_id
    """
)
_TAKE: Final = Query(
    """
    with taken as (
      delete from late_usage
      where organization_id = :organization_id and subscription_id = any(:ids ::uuid[]) and recorded_at <= :until
      returning subscription_id, first_at, last_at
    )
    select subscription_id, min(first_at), max(last_at) from taken group by subscription_id
    """
)


class Stretch(NamedTuple):
    """From one instant to another, both inside."""

    first: datetime
    last: datetime


async def mark_late(tx: WriteTransaction, events: Iterable[tuple[UUID | None, datetime]]) -> int:
    """Mark the subscriptions whose events, of which each comes with its instant, lie where they are billed; how many.

    To be called once the events are stored: the lock lets a billing run that is at a subscription end before, and a
    later one wait, so that each event is seen by a run's count or by this look at how far it went. A run that does not
    wait marks what it billed by itself.
    """
    stretches: dict[UUID, Stretch] = {}
    for subscription_id, at in events:
        if subscription_id is not None:
            first, last = stretches.get(subscription_id, (at, at))
            stretches[subscription_id] = Stretch(min(first, at), max(last, at))
    if not stretches:
        return 0
    return await tx.execute(
        _MARK,
        now=tx.now,
        ids=[new_id() for _ in stretches],
        subscription_ids=list(stretches),
        first=[stretch.first for stretch in stretches.values()],
        last=[stretch.last for stretch in stretches.values()],
    )


async def insert_late(tx: WriteTransaction, stretches: Mapping[UUID, Stretch]) -> None:
    """Have the next billing run compare what is billed of each subscription in a stretch of time."""
    rows = [
        {"id": new_id(), "subscription_id": key, "first_at": first, "last_at": last, "recorded_at": tx.now}
        for key, (first, last) in stretches.items()
    ]
    if rows:
        await tx.execute(_INSERT, **columns_of(rows))


async def load_late(tx: Transaction, subscription_ids: Sequence[UUID]) -> dict[UUID, Stretch]:
    """Where the usage of those subscriptions changed, as far as they are marked."""
    return {key: Stretch(first, last) for key, first, last in await tx.fetch(_OF, ids=list(subscription_ids))}


async def take_late(tx: WriteTransaction, subscription_ids: Sequence[UUID], until: datetime) -> dict[UUID, Stretch]:
    """Take out the marks of subscriptions that this transaction has locked, and give what they said."""
    found = await tx.fetch(_TAKE, ids=list(subscription_ids), until=until)
    return {key: Stretch(first, last) for key, first, last in found}
