"""usage.record: events in, each counted once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.domain.errors import Invalid, Refusal
from app.domain.text import key, normal, text
from app.domain.usage import UsageVerdict, bad_quantity, out_of_bounds
from app.store.audit import record
from app.store.customer import load_customers, load_customers_by_external_id, load_default_customer
from app.store.meter import load_meters_by_key
from app.store.query import new_id
from app.store.subscription import load_subscriptions
from app.store.tenancy import TenantDatabase, WriteTransaction
from app.store.usage import (
    Carrier,
    MatchedEvent,
    WaitingEvent,
    hold_inbox,
    insert_events,
    insert_waiting,
    load_carriers,
)

EVENTS_MAX = 1_000
PROPERTIES_MAX = 50


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event as it comes in. It names its customer by at most one of three; else it is the default customer's."""

    event_id: str
    source: str
    meter: str
    customer_id: UUID | None
    external_customer_id: str | None
    subscription_id: UUID | None
    quantity: Decimal
    occurred_at: datetime | None
    properties: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an event; `message` says why where it was not simply taken."""

    verdict: UsageVerdict
    message: str | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """What the events of one call may refer to."""

    meters: Mapping[str, UUID]
    customers: frozenset[UUID]
    by_external_id: Mapping[str, UUID]
    customer_of: Mapping[UUID, UUID]
    default_customer: UUID
    carriers: Sequence[Carrier]


async def record_usage(db: TenantDatabase, events: Sequence[NewEvent]) -> list[Result]:
    """Store the events and give a result for each, in order; durable once this returns.

    The same (source, event id) counts once, whoever sends it and however parallel, also within one call. An event is
    judged by itself: a bad one is REJECTED and stops no other. One audit record for all that a call stored.
    Raises Invalid where there are more than 1,000.
    """
    if len(events) > EVENTS_MAX:
        raise Invalid(f"Send at most {EVENTS_MAX:,} events in a call.", "events")
    async with db.write() as tx:
        judged = _judged(events, await _look_up(tx, events), tx.now)
        if any(isinstance(each, WaitingEvent) for each in judged):
            await hold_inbox(tx)
            judged = _judged(events, await _look_up(tx, events), tx.now)
        results = await _store(tx, judged)
        stored = sum(result.verdict in _STORED for result in results)
        if stored:
            await record(tx, "usage.record", None, {"stored": stored})
        return results


Judged = MatchedEvent | WaitingEvent | Result


def _judged(events: Sequence[NewEvent], known: _Known, now: datetime) -> list[Judged]:
    """What is to be stored of each event; a Result where that is nothing."""
    judged: list[Judged] = []
    for event in events:
        try:
            judged.append(_judge(event, known, now))
        except Refusal as refusal:
            judged.append(Result(UsageVerdict.REJECTED, refusal.message))
    return judged


async def _store(tx: WriteTransaction, judged: Sequence[Judged]) -> list[Result]:
    matched = [each for each in judged if isinstance(each, MatchedEvent)]
    waiting = [each for each in judged if isinstance(each, WaitingEvent)]
    new = await insert_events(tx, matched) if matched else set()
    kept = await insert_waiting(tx, waiting) if waiting else set()
    results = []
    for each in judged:
        match each:
            case MatchedEvent():
                results.append(Result(UsageVerdict.ACCEPTED) if each.id in new else _DUPLICATE)
            case WaitingEvent():
                results.append(Result(UsageVerdict.UNMATCHED, _WAITING) if each.id in kept else _DUPLICATE)
            case Result():
                results.append(each)
    return results


_STORED = (UsageVerdict.ACCEPTED, UsageVerdict.UNMATCHED)
_DUPLICATE = Result(UsageVerdict.DUPLICATE, "This source sent this event id before: nothing was added.")
_WAITING = "Stored; it counts once a meter with this key and the customer that it names exist."


async def _look_up(tx: WriteTransaction, events: Sequence[NewEvent]) -> _Known:
    subscriptions = await load_subscriptions(tx, _ids(event.subscription_id for event in events))
    customers = await load_customers(tx, _ids(event.customer_id for event in events))
    external = sorted(
        {normal(event.external_customer_id) for event in events if event.external_customer_id is not None}
    )
    named = await load_customers_by_external_id(tx, external)
    meters = await load_meters_by_key(tx, sorted({event.meter for event in events}))
    default = (await load_default_customer(tx)).id
    everyone = {default, *(c.id for c in customers), *(c.id for c in named)}
    return _Known(
        meters={meter.key: meter.id for meter in meters},
        customers=frozenset(customer.id for customer in customers),
        by_external_id={c.external_id: c.id for c in named if c.external_id is not None},
        customer_of={subscription.id: subscription.customer_id for subscription in subscriptions},
        default_customer=default,
        carriers=await load_carriers(tx, everyone, [meter.id for meter in meters]),
    )


def _ids(values: Iterable[UUID | None]) -> list[UUID]:
    return sorted({value for value in values if value is not None})


def _judge(event: NewEvent, known: _Known, now: datetime) -> MatchedEvent | WaitingEvent:
    """Whose the event is and what counts it. Raises Refusal where it cannot be taken."""
    event_id = text(event.event_id, "eventId", longest=255)
    source = text(event.source, "source", longest=255)
    occurred_at = event.occurred_at or now
    problem = out_of_bounds(occurred_at, now) or bad_quantity(event.quantity)
    if problem is not None:
        raise Invalid(problem)
    properties = dict(event.properties or {})
    if len(properties) > PROPERTIES_MAX:
        raise Invalid(f"An event has at most {PROPERTIES_MAX} properties.")
    customer_id = _customer(event, known)
    meter_id = known.meters.get(key(event.meter, "meter"))
    if customer_id is None or meter_id is None:
        return WaitingEvent(
            id=new_id(),
            meter_key=event.meter,
            customer_id=customer_id,
            external_customer_id=None if customer_id else normal(event.external_customer_id or ""),
            subscription_id=event.subscription_id,
            source=source,
            event_id=event_id,
            quantity=event.quantity,
            properties=properties,
            occurred_at=occurred_at,
        )
    return MatchedEvent(
        id=new_id(),
        meter_id=meter_id,
        customer_id=customer_id,
        subscription_id=event.subscription_id or _carrier(known.carriers, customer_id, meter_id, occurred_at),
        source=source,
        event_id=event_id,
        quantity=event.quantity,
        properties=properties,
        occurred_at=occurred_at,
    )


def _customer(event: NewEvent, known: _Known) -> UUID | None:
    """The event's customer; None where it is named by an external id that nobody has yet."""
    names = (event.customer_id, event.external_customer_id, event.subscription_id)
    if sum(name is not None for name in names) > 1:
        raise Invalid("Give one of customerId, externalCustomerId and subscriptionId.")
    if event.subscription_id is not None:
        if event.subscription_id not in known.customer_of:
            raise Invalid("No subscription has this id.")
        return known.customer_of[event.subscription_id]
    if event.customer_id is not None:
        if event.customer_id not in known.customers:
            raise Invalid("No customer has this id.")
        return event.customer_id
    if event.external_customer_id is not None:
        return known.by_external_id.get(text(event.external_customer_id, "externalCustomerId", longest=255))
    return known.default_customer


def _carrier(carriers: Sequence[Carrier], customer_id: UUID, meter_id: UUID, occurred_at: datetime) -> UUID | None:
    """The customer's first subscription that counts the meter at that instant."""
    for carrier in carriers:
        if carrier.customer_id == customer_id and carrier.meter_id == meter_id:
            if carrier.started_at <= occurred_at and (carrier.ends_at is None or occurred_at < carrier.ends_at):
                return carrier.subscription_id
    return None
