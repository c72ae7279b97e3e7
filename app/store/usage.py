"""Usage events: stored once each, matched to who they are of. What they come to is in `quantity.py`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from app.store.news import tell_usage
from app.store.page import Key, Listing
from app.store.query import Query, Relation, any_of, parameter
from app.store.tables import UsageEvent
from app.store.tenancy import Transaction, WriteTransaction
from app.store.usage_hour import COUNTED, VALUED

events = Relation(UsageEvent)
UsageEventRow = events.row

_BY_ID: Final = events.where(events.c.id == any_of("ids"))
_IS_WAITING: Final = Query(
    """
    select exists (select from unmatched_usage_events
                   where organization_id = :organization_id and source = :source and event_id = :event_id)
    """
)
_IDENTIFIED: Final = Query(
    """
    select id from usage_identities
    where organization_id = :organization_id and source = :source and event_id = :event_id
    """
)

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


class Carrier(NamedTuple):
    """A subscription that counts a meter for its customer, from `started_at` until `ends_at`, on one of its plans."""

    subscription_id: UUID
    customer_id: UUID
    meter_id: UUID
    started_at: datetime
    ends_at: datetime | None


_SENT: Final = """
    select * from unnest(:ids ::uuid[], :sources ::text[], :event_ids ::text[], :meter_ids ::uuid[],
                         :customer_ids ::uuid[], :subscription_ids ::uuid[], :quantities ::numeric[],
                         :properties ::jsonb[], :occurred ::timestamptz[], :meter_keys ::text[],
                         :external_customer_ids ::text[])
      as s (id, source, event_id, meter_id, customer_id, subscription_id, quantity, properties, occurred_at, meter_key,
            external_customer_id)
"""

_TAKEN: Final = """
    insert into usage_identities (organization_id, source, event_id, id, occurred_at)
    select :organization_id, s.source, s.event_id, s.id, s.occurred_at from sent s
    on conflict do nothing
    returning id
"""
"""Takes the identities that nobody has taken, in the order in which they are sent."""

_STORED: Final = """
    insert into usage_events
      (organization_id, id, meter_id, customer_id, subscription_id, source, event_id, quantity, properties,
       occurred_at, recorded_at)
    select :organization_id, s.id, s.meter_id, s.customer_id, s.subscription_id, s.source, s.event_id, s.quantity,
           s.properties, s.occurred_at, :now
    from sent s join taken t on t.id = s.id
    where s.meter_key is null
    returning id, meter_id, customer_id, subscription_id, quantity, properties, occurred_at
"""

_KEPT: Final = """
    insert into unmatched_usage_events
      (organization_id, id, meter_key, customer_id, external_customer_id, subscription_id, source, event_id, quantity,
       properties, occurred_at, recorded_at)
    select :organization_id, s.id, s.meter_key, s.customer_id, s.external_customer_id, s.subscription_id, s.source,
           s.event_id, s.quantity, s.properties, s.occurred_at, :now
    from sent s join taken t on t.id = s.id
    where s.meter_key is not null
"""


def _take(*, by_value: bool, waiting: bool) -> Query[tuple[UUID]]:
    """One statement for all that a call brings: identities, events and what they come to, or their place to wait."""
    values = f", valued as ({VALUED})" if by_value else ""
    kept = f", kept as ({_KEPT})" if waiting else ""
    return Query(
        f"""
        with sent as ({_SENT}), taken as ({_TAKEN}), stored as ({_STORED}), counted as ({COUNTED}){values}{kept}
        select id from taken
        """  # noqa: S608 - made of constants
    )


_TAKE: Final = {
    (by_value, waiting): _take(by_value=by_value, waiting=waiting)
    for by_value in (False, True)
    for waiting in (False, True)
}

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

_CARRIER_OF: Final = Query(
    CARRIER.format(customer_id=":customer_id", meter_id=":meter_id", occurred_at=":occurred_at ::timestamptz")
)
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


async def take_events(
    tx: WriteTransaction, rows: Sequence[MatchedEvent | WaitingEvent], *, by_value: bool
) -> set[UUID]:
    """Store events and count them, keep those that wait, and give the ids of those that were new.

    Each (source, event id) is taken once, whoever sends it. `by_value` says that a meter among them is UNIQUE.
    """
    rows = _in_one_order(rows)
    waiting = [row if isinstance(row, WaitingEvent) else None for row in rows]
    found = await tx.fetch(
        _TAKE[by_value, any(waiting)],
        now=tx.now,
        ids=[row.id for row in rows],
        sources=[row.source for row in rows],
        event_ids=[row.event_id for row in rows],
        meter_ids=[row.meter_id if isinstance(row, MatchedEvent) else None for row in rows],
        customer_ids=[row.customer_id for row in rows],
        subscription_ids=[row.subscription_id for row in rows],
        quantities=[row.quantity for row in rows],
        properties=[row.properties for row in rows],
        occurred=[row.occurred_at for row in rows],
        meter_keys=[row and row.meter_key for row in waiting],
        external_customer_ids=[row and row.external_customer_id for row in waiting],
    )
    await tell_usage(tx, {row.customer_id for row in rows if isinstance(row, MatchedEvent)})
    return {record[0] for record in found}


def _in_one_order(rows: Sequence[MatchedEvent | WaitingEvent]) -> list[MatchedEvent | WaitingEvent]:
    """Whoever sends the same events stores them in the same order, so that none waits for another in a circle.

    Of an event that comes twice in one call the first stays first.
    """
    return sorted(rows, key=lambda row: (row.source, row.event_id))


async def load_carriers(tx: Transaction, customer_ids: Iterable[UUID], meter_ids: Iterable[UUID]) -> list[Carrier]:
    """The subscriptions that count those meters for those customers, the first made first."""
    return await tx.fetch(_CARRIERS, customer_ids=list(customer_ids), meter_ids=list(meter_ids))


async def find_carrier(tx: Transaction, event: UsageEvent) -> UUID | None:
    """The subscription that counts an event which none carried when it came: the first made since that covers it."""
    return await tx.fetch_value(
        _CARRIER_OF, customer_id=event.customer_id, meter_id=event.meter_id, occurred_at=event.occurred_at
    )


async def load_events(tx: Transaction, ids: Sequence[UUID]) -> list[UsageEvent]:
    """The events with those ids."""
    return await tx.fetch(_BY_ID, ids=list(ids))


async def load_event_of(tx: Transaction, source: str, event_id: str) -> UsageEvent | None:
    """The event that a source knows by that id; None where there is none, or it waits in the inbox."""
    id_ = await tx.fetch_value(_IDENTIFIED, source=source, event_id=event_id)
    return None if id_ is None else await tx.fetch_row(_BY_ID, ids=[id_])


async def is_waiting(tx: Transaction, source: str, event_id: str) -> bool:
    """Whether the event that a source knows by that id waits in the inbox."""
    return await tx.fetch_value(_IS_WAITING, source=source, event_id=event_id)
