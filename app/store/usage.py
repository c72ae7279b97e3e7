"""Usage events: stored once each, matched to who they are of. What they come to is in `quantity.py`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

import sqlalchemy as sa

from app.store.page import Key, Listing
from app.store.query import Query, Relation, any_of, parameter
from app.store.tables import UsageEvent
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
    """A subscription that counts a meter for its customer, from `started_at` until `ends_at`, on one of its plans."""

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

_ON_PLAN: Final = """
    join subscription_phases p on p.organization_id = s.organization_id and p.subscription_id = s.id
    join plan_features f on f.organization_id = p.organization_id and f.plan_id = p.plan_id
"""

CARRIER: Final = f"""
    select s.id from subscriptions s {_ON_PLAN}
    where s.organization_id = :organization_id and s.customer_id = {{customer_id}} and f.meter_id = {{meter_id}}
      and p.starts_at <= {{occurred_at}} and (p.ends_at is null or {{occurred_at}} < p.ends_at)
      and (s.cancel_at is null or {{occurred_at}} < s.cancel_at)
    order by s.created_at, s.id limit 1
"""  # noqa: S608 - made of constants
"""The customer's first subscription that was on a plan with the meter at an instant."""

_CARRIERS: Final = Query(
    f"""
    select s.id, s.customer_id, f.meter_id, p.starts_at, least(p.ends_at, s.cancel_at)
    from subscriptions s {_ON_PLAN}
    where s.organization_id = :organization_id and s.customer_id = any(:customer_ids ::uuid[])
      and f.meter_id = any(:meter_ids ::uuid[])
    order by s.created_at, s.id, p.number
    """,  # noqa: S608 - made of constants
    Carrier._make,
)

_INBOX: Final = "hashtextextended('inbox ' || :organization_id ::uuid ::text, 0)"
_HOLD_INBOX: Final = Query(f"select pg_advisory_xact_lock_shared({_INBOX})")
_CLOSE_INBOX: Final = Query(f"select pg_advisory_xact_lock({_INBOX})")

_CARRIER_OF_READY: Final = CARRIER.format(
    customer_id="r.found_customer_id", meter_id="r.meter_id", occurred_at="r.occurred_at"
)
_MATCH: Final = Query(
    f"""
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
           coalesce(r.subscription_id, ({_CARRIER_OF_READY})),
           r.source, r.event_id, r.quantity, r.properties, r.occurred_at, r.recorded_at
    from ready r
    on conflict (organization_id, source, event_id) do nothing
    """  # noqa: S608 - made of constants
)


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


async def load_events(tx: Transaction, ids: Sequence[UUID]) -> list[UsageEvent]:
    """The events with those ids."""
    return await tx.fetch(_BY_ID, ids=list(ids))
