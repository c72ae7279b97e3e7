"""usage.record: events in, each counted once."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.domain.errors import Invalid, Refusal
from app.domain.text import key, normal, text
from app.domain.usage import Aggregation, UsageVerdict, bad_quantity, out_of_bounds
from app.store.audit import record
from app.store.customer import load_customers, load_customers_by_external_id, load_default_customer
from app.store.inbox import hold_inbox
from app.store.late_usage import mark_late
from app.store.meter import load_meters_by_key
from app.store.query import new_id
from app.store.subscription import load_subscriptions
from app.store.tables import Meter
from app.store.tables.audit import AuditOutcome
from app.store.tenancy import TenantDatabase, WriteTransaction
from app.store.usage import Carrier, MatchedEvent, WaitingEvent, load_carriers, take_events

ACTION = "usage.record"
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

    meters: Mapping[str, Meter]
    customers: frozenset[UUID]
    by_external_id: Mapping[str, UUID]
    customer_of: Mapping[UUID, UUID]
    default_customer: UUID
    carriers: Mapping[tuple[UUID, UUID], Sequence[Carrier]]


async def record_usage(db: TenantDatabase, events: Sequence[NewEvent]) -> list[Result]:
    """Store the events and give a result for each, in order; durable once this returns.

    The same (source, event id) counts once, whoever sends it and however parallel, also within one call. An event is
    judged by itself: a bad one is REJECTED and stops no other. What the events come to by the hour is counted in the
    same transaction. One audit record for all that a call stored, and one where events name a customer or subscription
    that the organization does not have. Raises Invalid where there are more than 1,000.
    """
    if len(events) > EVENTS_MAX:
        raise Invalid(f"Send at most {EVENTS_MAX:,} events in a call.", "events")
    async with db.write() as tx:
        known = await _look_up(tx, events)
        judged = _judged(events, known, tx.now)
        if any(type(each) is WaitingEvent for each in judged):
            await hold_inbox(tx)
            known = await _look_up(tx, events)
            judged = _judged(events, known, tx.now)
        results = await _store(tx, judged, known)
        stored = sum(result.verdict in _STORED for result in results)
        if stored:
            await record(tx, ACTION, None, {"stored": stored})
        if any(result.verdict is UsageVerdict.REJECTED for result in results):
            await _record_denied(tx, events, known)
        return results


async def _record_denied(tx: WriteTransaction, events: Sequence[NewEvent], known: _Known) -> None:
    """Record the first id that the organization has no record of, and how many events name such a one (M39).

    Whether another has it is not known here, and makes no difference.
    """
    unknown = [named for event in events if (named := _unknown(event, known)) is not None]
    if unknown:
        noun, record_id = unknown[0]
        reason = _NO_RECORD.format(noun)
        changes = {"rejected": len(unknown)}
        await record(tx, ACTION, record_id, changes, of=noun, outcome=AuditOutcome.DENIED, reason=reason)


def _unknown(event: NewEvent, known: _Known) -> tuple[str, UUID] | None:
    """The noun and id of what the event names and the organization does not have; 0 stands for what is no id."""
    if event.customer_id is not None and event.customer_id not in known.customers:
        named = "customer", event.customer_id
    elif event.subscription_id is not None and event.subscription_id not in known.customer_of:
        named = "subscription", event.subscription_id
    else:
        return None
    return named if named[1].int else None


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


async def _store(tx: WriteTransaction, judged: Sequence[Judged], known: _Known) -> list[Result]:
    good = [each for each in judged if not isinstance(each, Result)]
    if not good:
        return [each for each in judged if isinstance(each, Result)]
    by_value = any(meter.aggregation == Aggregation.UNIQUE for meter in known.meters.values())
    new = await take_events(tx, good, by_value=by_value)
    await mark_late(tx, [(each.subscription_id, each.occurred_at) for each in good if each.id in new])
    return [each if isinstance(each, Result) else _result(each, each.id in new) for each in judged]


def _result(event: MatchedEvent | WaitingEvent, is_new: bool) -> Result:
    if not is_new:
        return _DUPLICATE
    return _ACCEPTED if isinstance(event, MatchedEvent) else _UNMATCHED


_NO_RECORD = "No {} has this id."
_STORED = (UsageVerdict.ACCEPTED, UsageVerdict.UNMATCHED)
_ACCEPTED = Result(UsageVerdict.ACCEPTED)
_DUPLICATE = Result(UsageVerdict.DUPLICATE, "This source sent this event id before: nothing was added.")
_UNMATCHED = Result(
    UsageVerdict.UNMATCHED, "Stored; it counts once a meter with this key and the customer that it names exist."
)


async def _look_up(tx: WriteTransaction, events: Sequence[NewEvent]) -> _Known:
    """What the events name; of what none of them names nothing is asked."""
    subscription_ids = _ids(event.subscription_id for event in events)
    customer_ids = _ids(event.customer_id for event in events)
    external = sorted({normal(event.external_customer_id) for event in events if event.external_customer_id})
    subscriptions = await load_subscriptions(tx, subscription_ids) if subscription_ids else []
    customers = await load_customers(tx, customer_ids) if customer_ids else []
    named = await load_customers_by_external_id(tx, external) if external else []
    meters = await load_meters_by_key(tx, sorted({event.meter for event in events}))
    default = (await load_default_customer(tx)).id
    everyone = {default, *(c.id for c in customers), *(c.id for c in named)}
    carriers: dict[tuple[UUID, UUID], list[Carrier]] = defaultdict(list)
    for carrier in await load_carriers(tx, everyone, [meter.id for meter in meters]):
        carriers[carrier.customer_id, carrier.meter_id].append(carrier)
    return _Known(
        meters={meter.key: meter for meter in meters},
        customers=frozenset(customer.id for customer in customers),
        by_external_id={c.external_id: c.id for c in named if c.external_id is not None},
        customer_of={subscription.id: subscription.customer_id for subscription in subscriptions},
        default_customer=default,
        carriers=carriers,
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
    properties = event.properties or {}
    if len(properties) > PROPERTIES_MAX:
        raise Invalid(f"An event has at most {PROPERTIES_MAX} properties.")
    customer_id = _customer(event, known)
    meter = known.meters.get(event.meter)
    if customer_id is None or meter is None:
        return WaitingEvent(
            id=new_id(),
            meter_key=key(event.meter, "meter"),
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
        meter_id=meter.id,
        customer_id=customer_id,
        subscription_id=event.subscription_id or _carrier(known, customer_id, meter.id, occurred_at),
        source=source,
        event_id=event_id,
        quantity=event.quantity,
        properties=properties,
        occurred_at=occurred_at,
    )


def _customer(event: NewEvent, known: _Known) -> UUID | None:
    """The event's customer; None where it is named by an external id that nobody has yet."""
    names = (event.customer_id, event.external_customer_id, event.subscription_id)
    if names.count(None) < len(names) - 1:
        raise Invalid("Give one of customerId, externalCustomerId and subscriptionId.")
    if event.external_customer_id is not None:
        return known.by_external_id.get(text(event.external_customer_id, "externalCustomerId", longest=255))
    if event.subscription_id is not None:
        if event.subscription_id not in known.customer_of:
            raise Invalid(_NO_RECORD.format("subscription"))
        return known.customer_of[event.subscription_id]
    if event.customer_id is not None:
        if event.customer_id not in known.customers:
            raise Invalid(_NO_RECORD.format("customer"))
        return event.customer_id
    return known.default_customer


def _carrier(known: _Known, customer_id: UUID, meter_id: UUID, occurred_at: datetime) -> UUID | None:
    """The customer's first subscription that counts the meter at that instant."""
    for carrier in known.carriers.get((customer_id, meter_id), ()):
        if carrier.started_at <= occurred_at and (carrier.ends_at is None or occurred_at < carrier.ends_at):
            return carrier.subscription_id
    return None
