"""What an entitlement check costs with 100,000 customers known, and how soon a change is heard in another process.

    PYTHONPATH=. .venv/bin/python bench/entitlement.py

One organization has the customers, each with a subscription to one of three plans (a HARD, a SOFT and a METERED
feature beside two BOOLEAN ones). Checks in process ask for random customers and features; what a check costs that has
to read is measured apart. Whole requests go to `tallygate serve` over one connection. Then plans are changed, and usage
recorded, through the server, while another process is asked until it gives the new answer. It ends with 1 where the p99
of a check in process is not below 1 ms, or where the other process took more than 50 ms to answer by the new plan.
"""

import asyncio
import os
import platform
import random
import resource
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from app.api.ids import CUSTOMER, SUBSCRIPTION, type_id
from app.domain.entitlement import Entitlement
from app.domain.period import Interval
from app.domain.plan import BillingTiming, Enforcement, FeatureType
from app.domain.price import PricingModel, Tier, UsagePrice
from app.domain.usage import Aggregation
from app.operations.meter.create import NewMeter, create_meter
from app.operations.plan.create import NewFeature, NewPlan, create_plan
from app.operations.plan.publish import publish_plan
from app.operations.usage.record import NewEvent, record_usage
from app.store.memory import EntitlementMemory
from app.store.notification import Listener
from app.store.tenancy import Database
from app.store.tenant import Matter, News
from bench.company import Company, found_company
from bench.processes import database_of, start_server
from bench.scratch import ACTOR, Scratch, scratch_database

CUSTOMERS = 100_000
USING = 5_000
CHECKS = 200_000
READS = 1_000
REQUESTS = 3_000
CHANGES = 40
BATCH = 1_000
CHECK_MS_MAX = 1.0
CHANGE_MS_MAX = 50.0
FEATURES = ("calls", "jobs", "bytes", "exports", "sso", "unsold")
PRICE = UsagePrice(PricingModel.PER_UNIT, (Tier(None, Decimal(1), 0),), None, None, None)

CHECK = "query($c: ID!, $f: String!) { entitlement(feature: $f, customerId: $c) { allowed reason remaining } }"
CHANGE = """mutation($s: ID!, $p: String!) {
  subscriptionChangePlan(input: { subscriptionId: $s, planKey: $p, proration: NONE }) { userErrors { message } } }"""
RECORD = """mutation($c: ID!, $e: String!) {
  usageRecord(input: { events: [{ eventId: $e, meter: "calls", customerId: $c }] }) { accepted } }"""

SUBSCRIBED = """
with made as (
  insert into customers (organization_id, id, name, currency, metadata, is_default, created_at, updated_at)
  select $1, gen_random_uuid(), 'Customer ' || n, 'USD', '{}', false, now(), now()
  from generate_series(1, $2::integer) n
  returning id
), subscribed as (
  insert into subscriptions (organization_id, id, customer_id, plan_id, status, quantity, started_at, billing_anchor,
                             billed_until, due_at, metadata, version, created_at, updated_at)
  select $1, gen_random_uuid(), id, ($3::uuid[])[1 + (row_number() over ()) % 3], 'ACTIVE', 1,
         date_trunc('day', now()), date_trunc('day', now()), date_trunc('day', now()), now() + interval '20 days',
         '{}', 1, now(), now()
  from made
  returning id, customer_id, plan_id, started_at
)
insert into subscription_phases (organization_id, subscription_id, number, starts_at, fee_from, plan_id, quantity,
                                 billing_anchor)
select $1, id, 1, started_at, started_at, plan_id, 1, started_at from subscribed
"""


@dataclass(frozen=True)
class World:
    """An organization, its customers, and the subscription of each."""

    company: Company
    customers: list[UUID]
    subscriptions: dict[UUID, UUID]


async def main() -> None:
    """Prepare, measure, print; exit code 1 where a bound does not hold."""
    print(f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}\n")
    async with scratch_database(durable=True) as scratch:
        async with database_of(scratch) as database:
            world = await prepared(database, scratch)
            check_ms = await in_process(scratch, database, world)
        change_ms = await over_http(scratch, world)
    raise SystemExit(0 if check_ms < CHECK_MS_MAX and change_ms <= CHANGE_MS_MAX else 1)


async def prepared(database: Database, scratch: Scratch) -> World:
    """The organization with all its customers; some have used something."""
    company = await found_company(database, "Frobozz")
    tenant = company.tenant(database)
    for key in ("calls", "jobs", "bytes"):
        await create_meter(tenant, NewMeter(key, key, None, Aggregation.SUM, None))
    plans = [await plan(database, company, f"plan-{number}", Decimal(1_000 * number)) for number in (1, 2, 3)]
    await plan(database, company, "other", Decimal(5), NewFeature("unsold", "Unsold", FeatureType.BOOLEAN, *[None] * 4))
    administrator = await asyncpg.connect(scratch.administrator_url)
    try:
        await administrator.execute(SUBSCRIBED, company.id, CUSTOMERS, plans)
        await administrator.execute("analyze")
        rows = await administrator.fetch(
            "select customer_id, id from subscriptions where organization_id = $1", company.id
        )
    finally:
        await administrator.close()
    subscriptions = {row["customer_id"]: row["id"] for row in rows}
    customers = list(subscriptions)
    for first in range(0, USING, BATCH):
        events = [
            NewEvent(f"{each}", "bench", "calls", each, None, None, Decimal(number % 7), None, None)
            for number, each in enumerate(customers[first : first + BATCH])
        ]
        await record_usage(tenant, events)
    return World(company, customers, subscriptions)


async def plan(database: Database, company: Company, key: str, included: Decimal, *more: NewFeature) -> UUID:
    """A published plan version with every kind of feature."""
    tenant = company.tenant(database)
    features = [
        NewFeature("calls", "Calls", FeatureType.QUOTA, Enforcement.HARD, "calls", included, None),
        NewFeature("jobs", "Jobs", FeatureType.QUOTA, Enforcement.SOFT, "jobs", included, PRICE),
        NewFeature("bytes", "Bytes", FeatureType.METERED, None, "bytes", None, PRICE),
        NewFeature("exports", "Exports", FeatureType.BOOLEAN, None, None, None, None),
        NewFeature("sso", "SSO", FeatureType.BOOLEAN, None, None, None, None),
        *more,
    ]
    new = NewPlan(key, key, None, "USD", 0, Interval.MONTH, 1, BillingTiming.IN_ARREARS, features)
    plan_id = await create_plan(tenant, new)
    await publish_plan(tenant, plan_id)
    return plan_id


async def in_process(scratch: Scratch, database: Database, world: World) -> float:
    """Learn all customers, check many times; the p99 of a check in milliseconds."""
    listener = Listener(scratch.url())
    memory = EntitlementMemory(listener)
    await listener.open()
    try:
        before, begun = resident_mib(), time.perf_counter()
        for first in range(0, CUSTOMERS, BATCH):
            async with world.company.tenant(database).read() as tx:
                await memory.learn(tx, world.customers[first : first + BATCH])
        seconds = time.perf_counter() - begun
        grown = resident_mib() - before
        print(f"{len(memory):,} customers learned in {seconds:.1f} s; they take {grown:.0f} MiB\n")
        print(f"{'milliseconds':<44}{'n':>9}{'p50':>10}{'p99':>10}{'most':>10}")
        for feature in FEATURES:
            await checked(memory, database, world, world.customers[0], feature)
        chance = random.Random(4711)
        asked = [(chance.choice(world.customers), chance.choice(FEATURES)) for _ in range(CHECKS)]
        known = await measured(asked, lambda each: checked(memory, database, world, *each))
        show("in process, from memory", known)

        async def unread(each: tuple[UUID, str], matter: Matter) -> None:
            memory.heard(News(world.company.id, matter, each[0]))
            await asyncio.sleep(0)

        for name, matter in (
            ("in process, usage to read", Matter.USAGE),
            ("in process, all to read", Matter.TERMS),
        ):
            taken = []
            for each in asked[:READS]:
                await unread(each, matter)
                taken += await measured([each], lambda each: checked(memory, database, world, *each))
            show(name, taken)
        return percentile(known, 99)
    finally:
        await listener.close()


async def checked(memory: EntitlementMemory, database: Database, world: World, customer_id: UUID, feature: str) -> None:
    """A check as a request makes it, with a handle of its own on the database."""
    db = database.tenant(world.company.id, ACTOR)
    answer = await memory.check(db, customer_id, feature)
    await db.release(commit=False)
    if answer.allowed is (feature == "unsold"):
        raise AssertionError(answer)


async def over_http(scratch: Scratch, world: World) -> float:
    """Whole requests to a server; then changes through it, seen by another process: the longest in milliseconds."""
    url, server = await start_server(scratch)
    headers = {"authorization": f"Bearer {world.company.api_key}"}
    try:
        async with httpx.AsyncClient(trust_env=False, headers=headers, timeout=30) as client:
            chance = random.Random(42)
            some = [type_id(CUSTOMER, each) for each in chance.sample(world.customers, 200)]
            asked = [(chance.choice(some), chance.choice(FEATURES[:-1])) for _ in range(REQUESTS)]

            async def request(each: tuple[str, str]) -> None:
                await ask(client, url, CHECK, c=each[0], f=each[1])

            await measured(asked, request)
            show("a whole GraphQL request over HTTP", await measured(asked, request))
            changes = await lags(client, url, scratch, world, change_plan)
            show("a plan's change, until another process says so", changes)
            show("recorded usage, until another process says so", await lags(client, url, scratch, world, record_one))
            return max(changes)
    finally:
        server.stop()


Change = Callable[[httpx.AsyncClient, str, World, UUID], Awaitable[None]]


async def lags(client: httpx.AsyncClient, url: str, scratch: Scratch, world: World, change: Change) -> list[float]:
    """Of some changes, how long after the server's answer another process, this one, still gave the old answer."""
    listener = Listener(scratch.url())
    memory = EntitlementMemory(listener)
    await listener.open()
    taken = []
    try:
        async with database_of(scratch) as database:
            for customer_id in world.customers[-CHANGES:]:
                before = await answered(memory, database, world, customer_id)
                await change(client, url, world, customer_id)
                begun = time.perf_counter()
                while await answered(memory, database, world, customer_id) == before:
                    if time.perf_counter() - begun > 10:
                        raise AssertionError("the other process does not hear")
                    await asyncio.sleep(0.0005)
                taken.append((time.perf_counter() - begun) * 1_000)
    finally:
        await listener.close()
    return taken


async def answered(memory: EntitlementMemory, database: Database, world: World, customer_id: UUID) -> Entitlement:
    """What a request to this process is answered."""
    db = database.tenant(world.company.id, ACTOR)
    answer = await memory.check(db, customer_id, "calls")
    await db.release(commit=False)
    return answer


async def change_plan(client: httpx.AsyncClient, url: str, world: World, customer_id: UUID) -> None:
    """To a plan with another limit."""
    subscription = type_id(SUBSCRIPTION, world.subscriptions[customer_id])
    answer = await ask(client, url, CHANGE, s=subscription, p="other")
    if answer["subscriptionChangePlan"]["userErrors"]:
        raise AssertionError(answer)


async def record_one(client: httpx.AsyncClient, url: str, _world: World, customer_id: UUID) -> None:
    """One event."""
    answer = await ask(client, url, RECORD, c=type_id(CUSTOMER, customer_id), e=f"late {customer_id}")
    if answer["usageRecord"]["accepted"] != 1:
        raise AssertionError(answer)


async def ask(client: httpx.AsyncClient, url: str, document: str, **variables: Any) -> dict[str, Any]:
    """Send a document that must succeed."""
    response = await client.post(f"{url}/graphql", json={"query": document, "variables": variables})
    body = response.json()
    if "errors" in body:
        raise AssertionError(body["errors"])
    return body["data"]


async def measured(each: Sequence[Any], do: Callable[[Any], Awaitable[None]]) -> list[float]:
    """How long each took, in milliseconds."""
    taken = []
    for argument in each:
        begun = time.perf_counter_ns()
        await do(argument)
        taken.append((time.perf_counter_ns() - begun) / 1e6)
    return taken


def percentile(taken: list[float], share: int) -> float:
    """The least that so many in a hundred do not pass."""
    return sorted(taken)[min(len(taken) - 1, len(taken) * share // 100)]


def show(name: str, taken: list[float]) -> None:
    """A line of the table."""
    print(f"{name:<44}{len(taken):>9,}{percentile(taken, 50):>10.4f}{percentile(taken, 99):>10.4f}{max(taken):>10.3f}")


def resident_mib() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    asyncio.run(main())
