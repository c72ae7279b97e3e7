"""A thousand at once reserve 1 of a HARD limit of 100, over two server processes: exactly 100 may succeed.

    PYTHONPATH=. .venv/bin/python bench/reservations.py

All 1,000 are under way at once, over 100 connections. Each has an idempotency key, and asks again where a server says
OVERLOADED or nothing at all, as a good client does. Then half of
the holds are settled and half released, while 200 others try to take what is given back; in the end the entitlement,
the subscription's usage, the counter and the sum of the reservations must say the same. It ends with 1 where they do
not. The disk keeps its promises.
"""

import asyncio
import os
import platform
import random
import time
from collections import Counter
from decimal import Decimal

import asyncpg

from app.domain.period import Interval
from app.domain.plan import BillingTiming, Enforcement, FeatureType
from app.domain.usage import Aggregation
from app.operations.meter.create import NewMeter, create_meter
from app.operations.plan.create import NewFeature, NewPlan, create_plan
from app.operations.plan.publish import publish_plan
from app.operations.subscription.create import NewSubscription, create_subscription
from app.store.tenancy import Database
from bench.company import Company, found_company
from bench.processes import ANSWERED, Answer, Callers, database_of, start_server
from bench.scratch import Scratch, scratch_database

LIMIT = 100
TAKERS = 1_000
LATE_TAKERS = 200
EXCEEDED = "LIMIT_EXCEEDED"
PATIENCE_SECONDS = 300
GATE = asyncio.Semaphore(100)

RESERVE = """mutation($key: String!) {
  usageReserve(input: { feature: "calls", quantity: "1", ttlSeconds: 3600, idempotencyKey: $key }) {
    reservation { id } userErrors { code } } }"""
SETTLE = """mutation($id: ID!, $key: String!) {
  usageSettle(input: { reservationId: $id, quantity: "1", idempotencyKey: $key }) { userErrors { code } } }"""
RELEASE = """mutation($id: ID!, $key: String!) {
  usageRelease(input: { reservationId: $id, idempotencyKey: $key }) { userErrors { code } } }"""
STANDS = '{ entitlement(feature: "calls") { used reserved remaining } }'
USED = '{ subscriptions { nodes { usage(meter: "calls", window: TOTAL) { total } } } }'
HELD = """
select (select coalesce(sum(reserved), 0) from quota_counters where organization_id = $1),
       (select coalesce(sum(quantity), 0) from reservations where organization_id = $1 and status = 'HELD'),
       (select coalesce(sum(quantity), 0) from usage_events where organization_id = $1)
"""


async def main() -> None:
    """Prepare, take, give back, compare; exit code 1 where something does not agree."""
    print(f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}\n")
    async with scratch_database(durable=True) as scratch:
        async with database_of(scratch) as database:
            company = await limited(database)
        servers = [await start_server(scratch) for _ in range(2)]
        callers = Callers([url for url, _ in servers], company.api_key)
        try:
            held = await taken(callers, company, scratch)
        finally:
            await callers.close()
            for _, server in servers:
                server.stop()
    raise SystemExit(0 if held else 1)


async def limited(database: Database) -> Company:
    """An organization with one subscription that may use 100 calls a month."""
    company = await found_company(database, "Frobozz")
    tenant = company.tenant(database)
    await create_meter(tenant, NewMeter("calls", "Calls", None, Aggregation.SUM, None))
    calls = NewFeature("calls", "Calls", FeatureType.QUOTA, Enforcement.HARD, "calls", Decimal(LIMIT), None)
    plan = NewPlan("pro", "Pro", None, "USD", 0, Interval.MONTH, 1, BillingTiming.IN_ARREARS, [calls])
    await publish_plan(tenant, await create_plan(tenant, plan))
    await create_subscription(tenant, NewSubscription(None, "pro", None, 1, None, None, None))
    return company


async def taken(callers: Callers, company: Company, scratch: Scratch) -> bool:
    """Whether exactly the limit was given, in both rounds, and all who keep count agree."""
    begun = time.perf_counter()
    answers = await asyncio.gather(*(told(callers, RESERVE, key=f"taker {number}") for number in range(TAKERS)))
    seconds = time.perf_counter() - begun
    kinds = Counter(answer.kind for answer in answers)
    print(f"{TAKERS} takers in {seconds:.1f} s: {dict(kinds)}; every answer, repeats included: {dict(callers.told)}")
    first = await stands(callers, company, scratch)
    given = [answer.data["reservation"]["id"] for answer in answers if answer.kind == ANSWERED]
    half = len(given) // 2
    late: list[Answer] = []

    async def take_late(number: int) -> None:
        late.append(await told(callers, RESERVE, key=f"late {number}"))

    ends = [told(callers, SETTLE, id=each, key=each) for each in given[:half]]
    ends += [told(callers, RELEASE, id=each, key=each) for each in given[half:]]
    ended = (await asyncio.gather(*ends, *(take_late(number) for number in range(LATE_TAKERS // 2))))[: len(given)]
    await asyncio.gather(*(take_late(number) for number in range(LATE_TAKERS // 2, LATE_TAKERS)))
    again = Counter(answer.kind for answer in late)
    print(f"{half} settled, {len(given) - half} released, {LATE_TAKERS} more takers: {dict(again)}")
    second = await stands(callers, company, scratch)
    return (
        kinds == {ANSWERED: LIMIT, EXCEEDED: TAKERS - LIMIT}
        and first == (0, LIMIT)
        and all(answer.kind == ANSWERED for answer in ended)
        and again == {ANSWERED: LIMIT - half, EXCEEDED: LATE_TAKERS - (LIMIT - half)}
        and second == (half, LIMIT - half)
    )


async def told(callers: Callers, document: str, **variables: str) -> Answer:
    """What became of it in the end: it is asked again until it was done or refused, for five minutes at most."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        async with GATE:
            answer = await callers.ask(document, **variables)
        if answer.kind in (ANSWERED, EXCEEDED) or time.monotonic() > deadline:
            return answer
        await asyncio.sleep(random.uniform(0.05, 0.5))


async def stands(callers: Callers, company: Company, scratch: Scratch) -> tuple[int, int] | None:
    """How much is used and held, where the entitlement, the usage and the tables say the same."""
    entitlement = (await callers.insist(STANDS)).data
    subscriptions = (await callers.insist(USED)).data
    administrator = await asyncpg.connect(scratch.administrator_url)
    try:
        counted, held, events = await administrator.fetchrow(HELD, company.id)
    finally:
        await administrator.close()
    used, reserved, left = (int(entitlement[name]) for name in ("used", "reserved", "remaining"))
    total = int(subscriptions["nodes"][0]["usage"]["total"])
    print(f"  used {used}, reserved {reserved}, remaining {left}; usage {total}; rows {events, held}")
    agree = (used, reserved) == (total, counted) == (events, held) == (used, LIMIT - left - used)
    return (used, reserved) if agree else None


if __name__ == "__main__":
    asyncio.run(main())
