"""What usage comes to is read from whole hours, and is what the events themselves come to."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.api.ids import CUSTOMER, METER, SUBSCRIPTION, uuid_of
from app.domain.period import Period
from app.domain.usage import Aggregation
from app.operations.usage.rebuild import rebuild_usage
from app.store.meter import load_meters
from app.store.quantity import Measure, SeriesRequest, load_buckets, load_quantities, load_total
from app.store.tenancy import WriteTransaction
from app.store.usage import load_event_of
from app.store.usage_hour import correct_event
from tests.caller import Caller
from tests.operations.steps import customer, meter, plan, send, set_clock, soft_quota, subscription

BEGIN = datetime(2026, 5, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@dataclass
class Sent:
    """An event as it counts by now."""

    event_id: str
    meter: str
    at: datetime
    quantity: Decimal
    value: str | None
    taken_back: bool = False


def comes_to(events: Sequence[Sent], aggregation: Aggregation) -> Decimal:
    """What events come to, said once more in other words than the store's."""
    found = sorted((each for each in events if not each.taken_back), key=lambda each: each.at)
    quantities = [each.quantity for each in found]
    if not found:
        return Decimal(0)
    match aggregation:
        case Aggregation.COUNT:
            return Decimal(len(found))
        case Aggregation.SUM:
            return sum(quantities, Decimal(0))
        case Aggregation.MAX:
            return max(quantities)
        case Aggregation.MIN:
            return min(quantities)
        case Aggregation.AVG:
            return (sum(quantities, Decimal(0)) / len(found)).quantize(Decimal("1e-12"))
        case Aggregation.UNIQUE:
            return Decimal(len({each.value for each in found if each.value is not None}))
        case Aggregation.LATEST:
            return quantities[-1]


@dataclass
class Usage:
    """A customer's events of every kind of meter: half of them sent for its subscription, half before it was made."""

    caller: Caller
    meters: dict[Aggregation, UUID]
    customer: UUID
    subscription: UUID
    events: list[Sent]

    async def correct(self, tx: WriteTransaction, event: Sent, quantity: str) -> None:
        """Let an event count for another quantity."""
        stored = await load_event_of(tx, "api", event.event_id)
        assert stored is not None
        await correct_event(tx, stored, Decimal(quantity), "zork")
        event.quantity, event.taken_back = Decimal(quantity), quantity == "0"

    def inside(self, aggregation: Aggregation, *spans: Period) -> Decimal:
        """What its events come to in spans."""
        return comes_to(
            [
                each
                for each in self.events
                if each.meter == aggregation.lower() and any(span.contains(each.at) for span in spans)
            ],
            aggregation,
        )


@pytest.fixture
async def usage(tester: Caller) -> Usage:
    dice = random.Random(7)
    meters = {}
    for each in Aggregation:
        more = {"property": "who"} if each is Aggregation.UNIQUE else {}
        meters[each] = uuid_of(METER, await meter(tester, each.lower(), each, **more))
    customer_id = await customer(tester, externalId="acme")
    await plan(tester, "pro", 0, *(soft_quota(each.lower()) for each in Aggregation))
    # To the minute and a half, so that every instant is another and none is at a boundary by chance alone.
    minutes = dice.sample(range(4 * 24 * 60), 420)
    events = [
        Sent(
            f"e-{number}",
            dice.choice(list(Aggregation)).lower(),
            BEGIN + minute * MINUTE + timedelta(seconds=dice.choice([0, 30])),
            Decimal(dice.randrange(0, 5_000)) / 100,
            dice.choice(["a", "b", "c", None, "x" * 1_999]),
        )
        for number, minute in enumerate(minutes)
    ]
    written = [
        {
            "eventId": each.event_id,
            "meter": each.meter,
            "externalCustomerId": "acme",
            "quantity": str(each.quantity),
            "occurredAt": each.at.isoformat(),
            "properties": {"zone": "z"} if each.value is None else {"who": each.value},
        }
        for each in events
    ]
    assert set(await send(tester, *written[:210])) == {"ACCEPTED"}
    subscription_id = await subscription(tester, customerId=customer_id, startAt=BEGIN.isoformat())
    for first in (210, 280, 350):
        assert set(await send(tester, *written[first : first + 70])) == {"ACCEPTED"}
    made = Usage(tester, meters, uuid_of(CUSTOMER, customer_id), uuid_of(SUBSCRIPTION, subscription_id), events)
    async with tester.database.write() as tx:
        for number in range(0, 420, 6):
            await made.correct(tx, events[number], dice.choice(["0", "0", "12.5", "999"]))
        for number in range(0, 420, 30):
            await made.correct(tx, events[number], dice.choice(["0", "3"]))
    return made


def spans_of(dice: random.Random) -> list[Period]:
    """Spans that begin and end anywhere: on the hour, inside of one hour, days apart."""
    found = [Period(BEGIN, BEGIN + timedelta(days=4)), Period(BEGIN + 7 * MINUTE, BEGIN + 8 * MINUTE)]
    for _ in range(25):
        start = BEGIN + dice.choice([MINUTE, 30 * MINUTE, 60 * MINUTE]) * dice.randrange(96)
        found.append(Period(start, start + dice.choice([MINUTE, 90 * MINUTE, 1_500 * MINUTE]) * dice.randrange(4)))
    return found


async def test_whole_hours_and_ragged_edges_come_to_what_the_events_do(usage: Usage) -> None:
    """Each aggregation, over spans that begin and end anywhere, of a subscription, its customer, the organization."""
    dice = random.Random(11)
    spans = spans_of(dice)
    async with usage.caller.database.read() as tx:
        for aggregation, meter_id in usage.meters.items():
            measures = [Measure(usage.subscription, usage.customer, meter_id, (span,)) for span in spans]
            pairs = [tuple(dice.sample(spans, 2)) for _ in range(4)]
            apart = [(a, b) for a, b in pairs if a.end <= b.start or b.end <= a.start]
            measures += [Measure(usage.subscription, usage.customer, meter_id, pair) for pair in apart]
            wanted = [usage.inside(aggregation, *measure.spans) for measure in measures]
            assert await load_quantities(tx, measures, {meter_id: aggregation}) == wanted, aggregation
            (row,) = await load_meters(tx, [meter_id])
            for subscription_id, customer_id in [
                (usage.subscription, usage.customer),
                (None, usage.customer),
                (None, None),
            ]:
                request = SeriesRequest(row, spans[0], (), subscription_id, customer_id)
                assert await load_total(tx, request) == usage.inside(aggregation, spans[0]), aggregation
                edges = [BEGIN + 30 * MINUTE + timedelta(days=day) for day in range(4)]
                days = [Period(start, start + timedelta(days=1)) for start in edges]
                found = {bucket.place: bucket.value for bucket in await load_buckets(tx, request, days, 100)}
                assert [found.get(place, Decimal(0)) for place in range(4)] == [
                    usage.inside(aggregation, day) for day in days
                ], aggregation


async def test_a_rebuild_finds_nothing_and_mends_what_was_damaged(
    usage: Usage, administrator: asyncpg.Connection
) -> None:
    """Hours that say too much, nothing at all, or other values are named and mended; then there are none."""
    here = usage.caller.database.organization_id
    assert await rebuilt(usage) == []
    before = await administrator.fetch(ALL_HOURS, here)
    assert len(before) > 200
    await administrator.execute("set session_replication_role = replica")
    for damage in (
        "update usage_hours set total = total + 1 where id in (select id from usage_hours where organization_id = $1"
        " and events > 0 order by id limit 3)",
        "delete from usage_hour_values where organization_id = $1",
        "delete from usage_hours where id in (select id from usage_hours where organization_id = $1 and events > 0"
        " order by id desc limit 2)",
    ):
        await administrator.execute(damage, here)
    await administrator.execute("reset session_replication_role")
    assert len(await rebuilt(usage)) > 5
    assert await rebuilt(usage) == []
    assert await administrator.fetch(ALL_HOURS, here) == before


ALL_HOURS = """
select customer_id, subscription_id, meter_id, hour, events, total, least, greatest, latest, latest_at, latest_id,
       (select array_agg(digest order by digest) from usage_hour_values v where v.hour_id = h.id)
from usage_hours h where organization_id = $1 and events > 0 order by 1, 2, 3, 4
"""


async def rebuilt(usage: Usage) -> list[Any]:
    found, week = await rebuild_usage(usage.caller.database)
    while week is not None:
        more, week = await rebuild_usage(usage.caller.database, week)
        found += more
    return found


CONSERVATION = """query($period: PeriodInput!) { usageConservation(period: $period) {
  received billed pending unmatched corrected holds } }"""


async def conserved(caller: Caller, start: str, end: str) -> tuple[int, ...]:
    """Received, billed, pending, unmatched and corrected, which have to add up."""
    found = (await caller.data(CONSERVATION, period={"start": start, "end": end}))["usageConservation"]
    assert found.pop("holds") is True, found
    return tuple(found.values())


async def test_every_event_is_somewhere(tester: Caller, administrator: asyncpg.Connection) -> None:
    """Pending until its period is invoiced, then billed; late until the next run; waiting; taken back."""
    await set_clock(administrator, tester, "2026-05-01T09:10:11Z")
    await meter(tester)
    await plan(tester, "pro", 0, soft_quota("calls"))
    await subscription(tester)
    span = "2026-05-01T00:00:00Z", "2026-08-01T00:00:00Z"

    def at(*instants: str, meter: str = "calls") -> list[dict[str, str]]:
        return [{"eventId": f"{meter} {each}", "meter": meter, "occurredAt": each} for each in instants]

    await set_clock(administrator, tester, "2026-06-01T09:10:10Z")
    first = at("2026-05-03T10:00:00Z", "2026-05-03T10:59:59Z", "2026-06-01T09:10:10Z", "2026-04-30T00:00:00Z")
    assert await send(tester, *first) == ["ACCEPTED"] * 4
    assert await send(tester, *at("2026-05-09T00:00:00Z", "2026-05-10T00:00:00Z", meter="later")) == ["UNMATCHED"] * 2
    assert await conserved(tester, *span) == (5, 0, 3, 2, 0)
    await set_clock(administrator, tester, "2026-06-02T00:00:00Z")
    assert await send(tester, *at("2026-06-01T09:10:11Z")) == ["ACCEPTED"]
    run = "mutation { billingRun(input: {}) { invoicesGenerated userErrors { code } } }"
    assert (await tester.data(run))["billingRun"]["invoicesGenerated"] == 1
    assert await conserved(tester, *span) == (6, 3, 1, 2, 0)
    await set_clock(administrator, tester, "2026-06-03T00:00:00Z")
    assert await send(tester, *at("2026-05-03T10:30:00Z")) == ["ACCEPTED"]
    assert await conserved(tester, *span) == (7, 3, 2, 2, 0)
    await tester.data(run)
    assert await conserved(tester, *span) == (7, 4, 1, 2, 0)
    async with tester.database.write() as tx:
        stored = await load_event_of(tx, "api", "calls 2026-05-03T10:00:00Z")
        assert stored is not None
        await correct_event(tx, stored, Decimal(0), "zork")
    assert await conserved(tester, *span) == (7, 3, 1, 2, 1)
    await meter(tester, "later")
    assert await conserved(tester, *span) == (7, 3, 3, 0, 1)
    assert await conserved(tester, "2026-05-03T10:20:00Z", "2026-05-03T10:59:59Z") == (1, 1, 0, 0, 0)
    assert await conserved(tester, "2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z") == (1, 0, 1, 0, 0)
    assert await conserved(tester, span[0], span[0]) == (0, 0, 0, 0, 0)


async def test_the_inbox_says_what_each_event_waits_for(tester: Caller) -> None:
    """The last to come in first: its meter, or else its customer."""
    await meter(tester)
    assert (
        await send(
            tester,
            {"meter": "later", "occurredAt": "2026-05-19T00:00:00Z"},
            {"meter": "calls", "externalCustomerId": "nobody"},
        )
        == ["UNMATCHED"] * 2
    )
    query = """{ unmatchedUsageEvents { totalCount nodes { eventId source meter reason occurredAt recordedAt } } }"""
    assert (await tester.data(query))["unmatchedUsageEvents"] == {
        "totalCount": 2,
        "nodes": [
            {
                "eventId": f"event-{number}",
                "source": "api",
                "meter": meter_key,
                "reason": reason,
                "occurredAt": occurred_at,
                "recordedAt": "2026-05-20T00:00:00Z",
            }
            for number, meter_key, reason, occurred_at in (
                (1, "calls", "No customer has the external id nobody.", "2026-05-20T00:00:00Z"),
                (0, "later", "No meter has the key later.", "2026-05-19T00:00:00Z"),
            )
        ],
    }
