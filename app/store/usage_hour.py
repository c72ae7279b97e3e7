"""What usage comes to by the hour: counted as events are stored, counted anew after a correction, and compared.

An hour's row is the lock of its numbers. Whoever stores events adds to it and holds it until the commit; whoever counts
it anew locks it first and reads the events after that, so that it sees all that was added, or is added to.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

from app.store.news import tell_usage
from app.store.query import Query, new_id
from app.store.tables import UsageEvent
from app.store.tenancy import Transaction, WriteTransaction

CORRECTED: Final = """
    left join lateral (
      select x.quantity from usage_corrections x
      where x.organization_id = :organization_id and x.usage_event_id = e.id
      order by x.sequence desc limit 1
    ) c on true
"""
"""The newest correction `c` of an event `e`."""

COUNTS: Final = "c.quantity is distinct from 0"
"""Whether an event counts: it does unless its newest correction takes it back."""

QUANTITY: Final = "coalesce(c.quantity, e.quantity)"
"""What an event counts for."""

DIGEST: Final = "sha256(convert_to(e.properties ->> m.property, 'UTF8'))"
"""The value by which a UNIQUE meter `m` counts an event `e`, in 32 bytes however long it is; null where it has none."""

_HOUR: Final = "date_trunc('hour', e.occurred_at, 'UTC')"

COUNTED: Final = f"""
    insert into usage_hours as h
      (organization_id, id, customer_id, subscription_id, meter_id, hour, events, total, least, greatest,
       latest, latest_at, latest_id, changed_at)
    select :organization_id, (array_agg(e.id))[1], e.customer_id, e.subscription_id, e.meter_id, {_HOUR}, count(*),
           sum(e.quantity), min(e.quantity), max(e.quantity),
           (array_agg(e.quantity order by e.occurred_at desc, e.id desc))[1], max(e.occurred_at),
           (array_agg(e.id order by e.occurred_at desc, e.id desc))[1], :now
    from stored e
    group by e.customer_id, e.subscription_id, e.meter_id, {_HOUR}
    order by e.customer_id, e.subscription_id, e.meter_id, {_HOUR}
    on conflict on constraint usage_hours_key do update set
      events = h.events + excluded.events,
      total = h.total + excluded.total,
      least = least(h.least, excluded.least),
      greatest = greatest(h.greatest, excluded.greatest),
      latest = case when h.latest_at is null or (excluded.latest_at, excluded.latest_id) > (h.latest_at, h.latest_id)
                    then excluded.latest else h.latest end,
      latest_id = case when h.latest_at is null or (excluded.latest_at, excluded.latest_id) > (h.latest_at, h.latest_id)
                       then excluded.latest_id else h.latest_id end,
      latest_at = greatest(h.latest_at, excluded.latest_at),
      changed_at = excluded.changed_at
    returning h.id, h.customer_id, h.subscription_id, h.meter_id, h.hour
"""  # noqa: S608 - made of constants
"""Adds the events `stored`, which are new, to their hours, in one order for everybody."""

VALUED: Final = f"""
    insert into usage_hour_values (organization_id, hour_id, digest)
    select distinct :organization_id ::uuid, h.id, {DIGEST}
    from stored e
    join meters m on m.organization_id = :organization_id and m.id = e.meter_id and m.aggregation = 'UNIQUE'
    join counted h on h.customer_id = e.customer_id and h.meter_id = e.meter_id and h.hour = {_HOUR}
      and h.subscription_id is not distinct from e.subscription_id
    where e.properties ->> m.property is not null
    order by 2, 3
    on conflict do nothing
"""  # noqa: S608 - made of constants
"""Adds the values of the events `stored` to their hours `counted`: sorted, so that all those are locked by then."""


class HourDifference(NamedTuple):
    """An hour whose numbers are not what its events come to: how many events it says, and how many there are.

    `hour_id` is null where it says nothing at all.
    """

    hour_id: UUID | None
    customer_id: UUID
    subscription_id: UUID | None
    meter_id: UUID
    hour: datetime
    said: int
    found: int


THESE_HOURS: Final = """
    with these as materialized (
      select id, customer_id, subscription_id, meter_id, hour, hour + interval '1 hour' as hour_end, purged_at
      from usage_hours where organization_id = :organization_id and id = any(:ids ::uuid[])
    )
"""
"""Hours by their ids, with the instant at which each ends worked out before events are looked for.

Behind row security an index is searched by comparisons of what is known not to leak, and a sum of an instant and an
interval is not: written into the comparison, it would have every later event of the customer read for each hour.
"""

_OF_HOUR: Final = """
    e.organization_id = :organization_id and e.customer_id = h.customer_id and e.meter_id = h.meter_id
    and e.subscription_id is not distinct from h.subscription_id
    and e.occurred_at >= h.hour and e.occurred_at < h.hour_end
"""

_SUMMED: Final = f"""
    count(*) as events, coalesce(sum({QUANTITY}), 0) as total, min({QUANTITY}) as least, max({QUANTITY}) as greatest,
    (array_agg({QUANTITY} order by e.occurred_at desc, e.id desc))[1] as latest, max(e.occurred_at) as latest_at,
    (array_agg(e.id order by e.occurred_at desc, e.id desc))[1] as latest_id
"""

_LOCK_OF_EVENT: Final = Query(
    """
    select id, purged_at from usage_hours
    where organization_id = :organization_id and customer_id = :customer_id and meter_id = :meter_id
      and subscription_id is not distinct from :subscription_id ::uuid
      and hour = date_trunc('hour', :occurred_at ::timestamptz, 'UTC')
    for no key update
    """
)

_LOCK: Final = Query(
    """
    select id from usage_hours where organization_id = :organization_id and id = any(:ids ::uuid[])
    order by customer_id, subscription_id, meter_id, hour
    for no key update
    """
)

_CORRECT: Final = Query(
    """
    insert into usage_corrections (organization_id, id, usage_event_id, sequence, quantity, reason, created_at)
    select :organization_id, :id, :usage_event_id, coalesce(max(sequence), 0) + 1, :quantity, :reason, :now
    from usage_corrections where organization_id = :organization_id and usage_event_id = :usage_event_id
    """
)

_RECOUNT: Final = Query(
    f"""
    {THESE_HOURS}
    update usage_hours u
    set events = n.events, total = n.total, least = n.least, greatest = n.greatest,
        latest = n.latest, latest_at = n.latest_at, latest_id = n.latest_id, changed_at = :now
    from these h
    cross join lateral (select {_SUMMED} from usage_events e {CORRECTED} where {_OF_HOUR} and {COUNTS}) n
    where u.organization_id = :organization_id and u.id = h.id and u.purged_at is null
    """  # noqa: S608 - made of constants
)

_FORGET_VALUES: Final = Query(
    """
    delete from usage_hour_values v using usage_hours h
    where v.organization_id = :organization_id and v.hour_id = any(:ids ::uuid[])
      and h.organization_id = :organization_id and h.id = v.hour_id and h.purged_at is null
    """
)

_RECOUNT_VALUES: Final = Query(
    f"""
    {THESE_HOURS}
    insert into usage_hour_values (organization_id, hour_id, digest)
    select distinct :organization_id ::uuid, h.id, {DIGEST}
    from these h
    join meters m on m.organization_id = :organization_id and m.id = h.meter_id and m.aggregation = 'UNIQUE'
    join usage_events e on {_OF_HOUR}
    {CORRECTED}
    where h.purged_at is null and {COUNTS} and e.properties ->> m.property is not null
    """  # noqa: S608 - made of constants
)


async def correct_event(tx: WriteTransaction, event: UsageEvent, quantity: Decimal, reason: str) -> UUID:
    """Count an event for another quantity, or for nothing where it is 0, and give the correction's id.

    The newest correction stands; the event's hour is counted anew at once. Raises HourPurged where the hour's other
    events are no longer kept, so that it cannot be.
    """
    hour_id, purged_at = await tx.fetch_row(  # ty: ignore[not-iterable] - an event that is stored is counted
        _LOCK_OF_EVENT,
        customer_id=event.customer_id,
        subscription_id=event.subscription_id,
        meter_id=event.meter_id,
        occurred_at=event.occurred_at,
    )
    if purged_at is not None:
        raise HourPurged("The events of that hour are no longer kept.")
    correction_id = new_id()
    await tx.execute(_CORRECT, id=correction_id, usage_event_id=event.id, quantity=quantity, reason=reason, now=tx.now)
    await _count_anew(tx, [hour_id])
    await tell_usage(tx, [event.customer_id])
    return correction_id


class HourPurged(Exception):
    """The raw events of an hour are no longer kept: what it came to stands."""


async def recount_hours(tx: WriteTransaction, ids: Sequence[UUID]) -> None:
    """Count hours anew from their events; those that are purged stay as they are. Repeating it changes nothing."""
    await tx.fetch(_LOCK, ids=list(ids))
    await _count_anew(tx, ids)
    await tell_usage(tx, [None])


async def _count_anew(tx: WriteTransaction, ids: Sequence[UUID]) -> None:
    """The hours are locked by an earlier statement, so that these see what was stored until then."""
    given: dict[str, Any] = {"ids": list(ids)}
    await tx.execute(_RECOUNT, now=tx.now, **given)
    await tx.execute(_FORGET_VALUES, **given)
    await tx.execute(_RECOUNT_VALUES, **given)


_DIFFERENCES: Final = Query(
    f"""
    with found as (
      select e.customer_id, e.subscription_id, e.meter_id, {_HOUR} as hour, {_SUMMED},
             array_agg(distinct case when m.aggregation = 'UNIQUE' then {DIGEST} end
                       order by case when m.aggregation = 'UNIQUE' then {DIGEST} end)
             filter (where m.aggregation = 'UNIQUE' and e.properties ->> m.property is not null) as digests
      from usage_events e
      join meters m on m.organization_id = :organization_id and m.id = e.meter_id
      {CORRECTED}
      where e.organization_id = :organization_id and e.occurred_at >= :start and e.occurred_at < :end and {COUNTS}
      group by 1, 2, 3, 4
    ), said as (
      select h.*, (select array_agg(v.digest order by v.digest) from usage_hour_values v
                   where v.organization_id = :organization_id and v.hour_id = h.id) as digests
      from usage_hours h
      where h.organization_id = :organization_id and h.hour >= :start and h.hour < :end
    )
    select said.id, coalesce(said.customer_id, found.customer_id),
           coalesce(said.subscription_id, found.subscription_id), coalesce(said.meter_id, found.meter_id),
           coalesce(said.hour, found.hour), coalesce(said.events, 0), coalesce(found.events, 0)
    from said full join found on found.customer_id = said.customer_id and found.meter_id = said.meter_id
      and found.hour = said.hour
      and coalesce(found.subscription_id, found.customer_id) = coalesce(said.subscription_id, said.customer_id)
    where said.purged_at is null
      and (coalesce(said.events, 0), coalesce(said.total, 0), said.least, said.greatest, said.latest, said.latest_at,
           said.latest_id, said.digests)
          is distinct from
          (coalesce(found.events, 0), coalesce(found.total, 0), found.least, found.greatest, found.latest,
           found.latest_at, found.latest_id, found.digests)
    """,  # noqa: S608 - made of constants
    HourDifference._make,
)

_OPEN: Final = Query(
    """
    insert into usage_hours
      (organization_id, id, customer_id, subscription_id, meter_id, hour, events, total, changed_at)
    select :organization_id, n.*, 0, 0, :now
    from unnest(:ids ::uuid[], :customer_ids ::uuid[], :subscription_ids ::uuid[], :meter_ids ::uuid[],
                :hours ::timestamptz[]) as n
    on conflict on constraint usage_hours_key do nothing
    """
)


_FIRST: Final = Query(
    """
    select date_trunc('hour', least(
      (select min(occurred_at) from usage_events where organization_id = :organization_id),
      (select min(hour) from usage_hours where organization_id = :organization_id)
    ), 'UTC')
    """
)


async def load_first_hour(tx: Transaction) -> datetime | None:
    """The first hour that has usage; None where there is none."""
    return await tx.fetch_value(_FIRST)


async def load_differences(tx: Transaction, start: datetime, end: datetime) -> list[HourDifference]:
    """The hours, of those that begin in a span of whole hours, whose numbers are not what their events come to."""
    return await tx.fetch(_DIFFERENCES, start=start, end=end)


async def mend_hours(tx: WriteTransaction, differences: Sequence[HourDifference]) -> None:
    """Make hours say what their events come to."""
    missing = [(new_id(), each) for each in differences if each.hour_id is None]
    await tx.execute(
        _OPEN,
        ids=[id_ for id_, _ in missing],
        customer_ids=[each.customer_id for _, each in missing],
        subscription_ids=[each.subscription_id for _, each in missing],
        meter_ids=[each.meter_id for _, each in missing],
        hours=[each.hour for _, each in missing],
        now=tx.now,
    )
    await recount_hours(tx, [each.hour_id for each in differences if each.hour_id] + [id_ for id_, _ in missing])
