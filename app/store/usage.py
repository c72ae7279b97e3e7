"""Usage: events in, quantities out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

import sqlalchemy as sa

from app.domain.period import Period
from app.domain.usage import Aggregation
from app.store.page import Key, Listing
from app.store.query import Query, Relation, any_of, parameter
from app.store.tables import Meter, UsageEvent
from app.store.tenancy import Transaction, WriteTransaction

events = Relation(UsageEvent)
UsageEventRow = events.row

_BY_ID: Final = events.where(events.c.id == any_of("ids"))

listing: Final = Listing(
    events,
    orders={"occurred_at": [Key("occurred_at", events.c.occurred_at), Key("id", events.c.id)]},
    filters={
        "meter_id": events.c.meter_id == parameter("meter_id", sa.Uuid),
        "customer_id": events.c.customer_id == parameter("customer_id", sa.Uuid),
        "subscription_id": events.c.subscription_id == parameter("subscription_id", sa.Uuid),
        "occurred_from": events.c.occurred_at >= parameter("occurred_from", sa.DateTime(timezone=True)),
        "occurred_to": events.c.occurred_at < parameter("occurred_to", sa.DateTime(timezone=True)),
    },
)


@dataclass(frozen=True, slots=True)
class MatchedEvent:
    """An event whose meter and customer are known. `quantity` in the meter's units."""

    id: UUID
    meter_id: UUID
    customer_id: UUID
    subscription_id: UUID | None
    source: str
    event_id: str
    quantity: Decimal
    properties: Mapping[str, Any]
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class WaitingEvent:
    """An event whose meter or customer does not exist yet."""

    id: UUID
    meter_key: str
    customer_id: UUID | None
    external_customer_id: str | None
    subscription_id: UUID | None
    source: str
    event_id: str
    quantity: Decimal
    properties: Mapping[str, Any]
    occurred_at: datetime


Sent = TypeVar("Sent", MatchedEvent, WaitingEvent)


class Carrier(NamedTuple):
    """A subscription that counts a meter for its customer, from `started_at` until `ends_at`."""

    subscription_id: UUID
    customer_id: UUID
    meter_id: UUID
    started_at: datetime
    ends_at: datetime | None


_INSERT: Final = Query(
    """
    insert into usage_events
      (organization_id, id, meter_id, customer_id, subscription_id, source, event_id, quantity, properties,
       occurred_at, recorded_at)
    select :organization_id, e.*, :now
    from unnest(:ids ::uuid[], :meter_ids ::uuid[], :customer_ids ::uuid[], :subscription_ids ::uuid[],
                :sources ::text[], :event_ids ::text[], :quantities ::numeric[], :properties ::jsonb[],
                :occurred ::timestamptz[]) as e
    on conflict (organization_id, source, event_id) do nothing
    returning id
    """
)

_INSERT_WAITING: Final = Query(
    """
    insert into unmatched_usage_events
      (organization_id, id, meter_key, customer_id, external_customer_id, subscription_id, source, event_id, quantity,
       properties, occurred_at, recorded_at)
    select :organization_id, e.*, :now
    from unnest(:ids ::uuid[], :meter_keys ::text[], :customer_ids ::uuid[], :external_customer_ids ::text[],
                :subscription_ids ::uuid[], :sources ::text[], :event_ids ::text[], :quantities ::numeric[],
                :properties ::jsonb[], :occurred ::timestamptz[])
         as e (id, meter_key, customer_id, external_customer_id, subscription_id, source, event_id, quantity,
               properties, occurred_at)
    where not exists (
      select from usage_events u
      where u.organization_id = :organization_id and u.source = e.source and u.event_id = e.event_id
    )
    on conflict (organization_id, source, event_id) do nothing
    returning id
    """
)

_CARRIERS: Final = Query(
    """
    select s.id, s.customer_id, f.meter_id, s.started_at, coalesce(s.ended_at, s.cancel_at) as ends_at
    from subscriptions s
    join plan_features f on f.organization_id = s.organization_id and f.plan_id = s.plan_id
    where s.organization_id = :organization_id and s.customer_id = any(:customer_ids ::uuid[])
      and f.meter_id = any(:meter_ids ::uuid[])
    order by s.created_at, s.id
    """,
    Carrier._make,
)

_INBOX: Final = "hashtextextended('inbox ' || :organization_id ::uuid ::text, 0)"
_HOLD_INBOX: Final = Query(f"select pg_advisory_xact_lock_shared({_INBOX})")
_CLOSE_INBOX: Final = Query(f"select pg_advisory_xact_lock({_INBOX})")

_MATCH: Final = Query(
    """
    with ready as (
      delete from unmatched_usage_events u
      using meters m, customers c
      where u.organization_id = :organization_id
        and m.organization_id = u.organization_id and m.key = u.meter_key
        and c.organization_id = u.organization_id
        and case when u.customer_id is not null then c.id = u.customer_id
                 else c.external_id = u.external_customer_id end
        and (u.meter_key = :meter_key or u.external_customer_id = :external_customer_id)
      returning u.*, m.id as meter_id, c.id as found_customer_id
    )
    insert into usage_events
      (organization_id, id, meter_id, customer_id, subscription_id, source, event_id, quantity, properties,
       occurred_at, recorded_at)
    select r.organization_id, r.id, r.meter_id, r.found_customer_id,
           coalesce(r.subscription_id, (
             select s.id from subscriptions s
             join plan_features f on f.organization_id = s.organization_id and f.plan_id = s.plan_id
             where s.organization_id = r.organization_id and s.customer_id = r.found_customer_id
               and f.meter_id = r.meter_id and s.started_at <= r.occurred_at
               and (coalesce(s.ended_at, s.cancel_at) is null or r.occurred_at < coalesce(s.ended_at, s.cancel_at))
             order by s.created_at, s.id limit 1
           )),
           r.source, r.event_id, r.quantity, r.properties, r.occurred_at, r.recorded_at
    from ready r
    on conflict (organization_id, source, event_id) do nothing
    """
)

_VALUE: Final[dict[Aggregation, str]] = {
    Aggregation.COUNT: "count(*)",
    Aggregation.SUM: "coalesce(sum(e.quantity), 0)",
    Aggregation.MAX: "coalesce(max(e.quantity), 0)",
    Aggregation.MIN: "coalesce(min(e.quantity), 0)",
    Aggregation.AVG: "coalesce(trim_scale(round(avg(e.quantity), 12)), 0)",
    Aggregation.UNIQUE: "count(distinct e.properties ->> m.property)",
    Aggregation.LATEST: "coalesce((array_agg(e.quantity order by e.occurred_at desc, e.id desc))[1], 0)",
}
"""How each aggregation makes one quantity of events `e` of a meter `m`; of none it is 0."""

_OF_SUBSCRIPTION: Final = """
    e.customer_id = :customer_id
    and (e.subscription_id = :subscription_id
     or (e.subscription_id is null and :subscription_id = (
       select s.id from subscriptions s
       join plan_features f on f.organization_id = s.organization_id and f.plan_id = s.plan_id
       where s.organization_id = :organization_id and s.customer_id = :customer_id and f.meter_id = e.meter_id
         and s.started_at <= e.occurred_at
         and (coalesce(s.ended_at, s.cancel_at) is null or e.occurred_at < coalesce(s.ended_at, s.cancel_at))
       order by s.created_at, s.id limit 1)))
"""
"""An event that no subscription carried when it came belongs to the first one made since that covers it."""

_QUANTITIES: Final = {
    aggregation: Query(
        f"""
        select m.id, {value}
        from meters m
        join usage_events e on e.organization_id = m.organization_id and e.meter_id = m.id
        where m.organization_id = :organization_id and m.id = any(:meter_ids ::uuid[]) and {_OF_SUBSCRIPTION}
          and e.occurred_at >= :period_start and e.occurred_at < :period_end
        group by m.id, m.property
        """  # noqa: S608 - made of constants
    )
    for aggregation, value in _VALUE.items()
}


async def insert_events(tx: WriteTransaction, rows: Sequence[MatchedEvent]) -> set[UUID]:
    """Store events and give the ids of those that were new; each (source, event id) counts once, whoever sends it."""
    rows = _in_one_order(rows)
    found = await tx.fetch(
        _INSERT,
        now=tx.now,
        ids=[row.id for row in rows],
        meter_ids=[row.meter_id for row in rows],
        customer_ids=[row.customer_id for row in rows],
        subscription_ids=[row.subscription_id for row in rows],
        sources=[row.source for row in rows],
        event_ids=[row.event_id for row in rows],
        quantities=[row.quantity for row in rows],
        properties=[dict(row.properties) for row in rows],
        occurred=[row.occurred_at for row in rows],
    )
    return {record[0] for record in found}


async def insert_waiting(tx: WriteTransaction, rows: Sequence[WaitingEvent]) -> set[UUID]:
    """Keep events that do not match yet and give the ids of those that were new."""
    rows = _in_one_order(rows)
    found = await tx.fetch(
        _INSERT_WAITING,
        now=tx.now,
        ids=[row.id for row in rows],
        meter_keys=[row.meter_key for row in rows],
        customer_ids=[row.customer_id for row in rows],
        external_customer_ids=[row.external_customer_id for row in rows],
        subscription_ids=[row.subscription_id for row in rows],
        sources=[row.source for row in rows],
        event_ids=[row.event_id for row in rows],
        quantities=[row.quantity for row in rows],
        properties=[dict(row.properties) for row in rows],
        occurred=[row.occurred_at for row in rows],
    )
    return {record[0] for record in found}


def _in_one_order(rows: Sequence[Sent]) -> list[Sent]:
    """Whoever sends the same events stores them in the same order, so that none waits for another in a circle.

    Of an event that comes twice in one call the first stays first.
    """
    return sorted(rows, key=lambda row: (row.source, row.event_id))


async def hold_inbox(tx: WriteTransaction) -> None:
    """Let no meter or customer come to be between looking for them and keeping an event that waits for them."""
    await tx.fetch(_HOLD_INBOX)


async def match_waiting(
    tx: WriteTransaction, *, meter_key: str | None = None, external_customer_id: str | None = None
) -> int:
    """Turn waiting events of a meter or customer that now exists into usage events; how many.

    Waits for those who hold the inbox, and they for this transaction: no event is missed by both.
    """
    await tx.fetch(_CLOSE_INBOX)
    return await tx.execute(_MATCH, meter_key=meter_key, external_customer_id=external_customer_id)


async def load_carriers(tx: Transaction, customer_ids: Iterable[UUID], meter_ids: Iterable[UUID]) -> list[Carrier]:
    """The subscriptions that count those meters for those customers, the first made first."""
    return await tx.fetch(_CARRIERS, customer_ids=list(customer_ids), meter_ids=list(meter_ids))


async def load_quantities(
    tx: Transaction, *, subscription_id: UUID, customer_id: UUID, meters: Iterable[Meter], period: Period
) -> dict[UUID, Decimal]:
    """The used quantity of each meter for a subscription in a period; a statement for each aggregation among them."""
    by_aggregation: dict[Aggregation, list[UUID]] = defaultdict(list)
    quantities: dict[UUID, Decimal] = {}
    for meter in meters:
        by_aggregation[Aggregation(meter.aggregation)].append(meter.id)
        quantities[meter.id] = Decimal(0)
    for aggregation, meter_ids in by_aggregation.items():
        found = await tx.fetch(
            _QUANTITIES[aggregation],
            meter_ids=meter_ids,
            subscription_id=subscription_id,
            customer_id=customer_id,
            period_start=period.start,
            period_end=period.end,
        )
        quantities.update({record[0]: Decimal(record[1]) for record in found})
    return quantities


async def load_events(tx: Transaction, ids: Sequence[UUID]) -> list[UsageEvent]:
    """The events with those ids."""
    return await tx.fetch(_BY_ID, ids=list(ids))


@dataclass(frozen=True, slots=True)
class SeriesRequest:
    """Which usage to count: of one meter, in a period, of one subscription or customer where they are given."""

    meter: Meter
    period: Period
    group_by: tuple[str, ...]
    subscription_id: UUID | None
    customer_id: UUID | None


class BucketValue(NamedTuple):
    """The place of a bucket among the series' buckets, its group, its value and how many events made it."""

    place: int
    group: tuple[str, ...]
    value: Decimal
    events: int


async def load_total(tx: Transaction, request: SeriesRequest) -> Decimal:
    """The meter's value over the whole period."""
    rows = await tx.fetch(_series_query(request, windowed=False, grouped=0), **_series_parameters(request))
    return Decimal(rows[0][1]) if rows else Decimal(0)


async def load_buckets(
    tx: Transaction, request: SeriesRequest, starts: Sequence[datetime], limit: int
) -> list[BucketValue]:
    """The values of the buckets that begin at `starts`, where there are events, in order; at most `limit`.

    The first begins with the period. The calendar is ours alone: PostgreSQL's may know other zones and takes the second
    of two midnights.
    """
    query = _series_query(request, windowed=True, grouped=len(request.group_by), limited=True)
    parameters = _series_parameters(request) | {"limit": limit, "starts": list(starts)}
    parameters |= {f"group_{index}": key for index, key in enumerate(request.group_by)}
    return [
        BucketValue(record[0] - 1, tuple(record[3:]), Decimal(record[1]), record[2])
        for record in await tx.fetch(query, **parameters)
    ]


_SERIES: dict[tuple[Any, ...], Query[Any]] = {}


def _series_query(request: SeriesRequest, *, windowed: bool, grouped: int, limited: bool = False) -> Query[Any]:
    by_subscription, by_customer = request.subscription_id is not None, request.customer_id is not None
    shape = (request.meter.aggregation, windowed, grouped, limited, by_subscription, by_customer)
    query = _SERIES.get(shape)
    if query is None:
        place = "width_bucket(e.occurred_at, :starts ::timestamptz[])" if windowed else "1"
        groups = "".join(f", coalesce(e.properties ->> :group_{index}, '')" for index in range(grouped))
        conditions = "".join(
            condition
            for condition, wanted in [
                (f" and {_OF_SUBSCRIPTION}", by_subscription),
                (" and e.customer_id = :customer_id", by_customer and not by_subscription),
            ]
            if wanted
        )
        keys = ", ".join(str(number) for number in (1, *range(4, 4 + grouped)))
        query = _SERIES[shape] = Query(
            f"""
            select {place}, {_VALUE[Aggregation(request.meter.aggregation)]}, count(*){groups}
            from usage_events e
            join meters m on m.organization_id = e.organization_id and m.id = e.meter_id
            where e.organization_id = :organization_id and e.meter_id = :meter_id
              and e.occurred_at >= :period_start and e.occurred_at < :period_end{conditions}
            group by {keys} order by {keys} {"limit :limit" if limited else ""}
            """  # noqa: S608 - made of constants; all values are parameters
        )
    return query


def _series_parameters(request: SeriesRequest) -> dict[str, Any]:
    return {
        "meter_id": request.meter.id,
        "period_start": request.period.start,
        "period_end": request.period.end,
        "subscription_id": request.subscription_id,
        "customer_id": request.customer_id,
    }
