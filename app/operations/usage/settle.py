"""usage.settle: what was really used of a reservation becomes a usage event, and the rest is free."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from app.domain.errors import AlreadyExists
from app.domain.money import figure
from app.domain.reservation import Reservation
from app.domain.usage import Aggregation
from app.store.audit import record
from app.store.late_usage import mark_late
from app.store.meter import load_meters
from app.store.news import tell_usage
from app.store.plan import load_domain_plan
from app.store.query import new_id
from app.store.reservation import Counter, end_reservation, lock_reservation
from app.store.tenancy import TenantDatabase, WriteTransaction
from app.store.usage import MatchedEvent, take_events

SOURCE: Final = "reservation"
"""Of the usage event; its event id is the reservation's own."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What was really used, and what else was measured; `event_id` is the reservation's id as clients write it."""

    reservation_id: UUID
    event_id: str
    quantity: Decimal
    properties: Mapping[str, Any] | None


async def settle_usage(db: TenantDatabase, settlement: Settlement) -> None:
    """End a hold and record what was used as one usage event, of the instant at which it was taken; none where it is 0.

    Usage takes the hold's place in the same period and under the same plan, in one transaction and under the counter's
    lock: whoever waits for that sees the one or the other. Raises NotFound, InvalidState where it is not HELD any more,
    Invalid, LimitExceeded for more than was reserved under a HARD limit, AlreadyExists where its event was sent before.
    """
    async with db.write() as tx:
        held, counter = await lock_reservation(tx, settlement.reservation_id)
        plan = await load_domain_plan(tx, counter.plan_id)
        feature = next(each for each in plan.features if each.key == held.feature)
        (meter,) = await load_meters(tx, [counter.meter_id])
        aggregation = Aggregation(meter.aggregation)
        settled = held.settled(settlement.quantity, feature, aggregation, tx.now)
        if settlement.quantity:
            await _use(tx, settled, counter, settlement, aggregation)
        await end_reservation(tx, settled)
        await record(tx, "usage.settle", held.id, {"quantity": figure(settlement.quantity)}, of="reservation")
        await tell_usage(tx, [held.customer_id])


async def _use(
    tx: WriteTransaction, settled: Reservation, counter: Counter, settlement: Settlement, aggregation: Aggregation
) -> None:
    event = MatchedEvent(
        id=new_id(),
        meter_id=counter.meter_id,
        customer_id=settled.customer_id,
        subscription_id=settled.subscription_id,
        source=SOURCE,
        event_id=settlement.event_id,
        quantity=settlement.quantity,
        properties=settlement.properties or {},
        occurred_at=settled.created_at,
    )
    if not await take_events(tx, [event], by_value=aggregation is Aggregation.UNIQUE):
        raise AlreadyExists(
            f"The source {SOURCE} sent an event of this id before: release the reservation.", "reservationId"
        )
    await mark_late(tx, [(event.subscription_id, event.occurred_at)])
