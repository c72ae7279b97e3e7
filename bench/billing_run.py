"""Invoices per second of a billing run over 100, 1,000 and 10,000 subscriptions of one organization.

    PYTHONPATH=. .venv/bin/python bench/billing_run.py

Every subscription has seats, a metered feature and usage of its own; each invoice is numbered, charged, chained and
audited. The disk keeps its promises (fsync and synchronous commit are on). A run over another organization comes first,
so that the tables hold something and PostgreSQL knows what; then the sizes are run in turn, several times.
"""

import asyncio
import os
import platform
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median

import asyncpg

from app.domain.period import Interval
from app.domain.plan import BillingTiming, FeatureType
from app.domain.price import PricingModel, Tier, UsagePrice
from app.domain.usage import Aggregation
from app.operations.billing.run import run_billing
from app.operations.meter.create import NewMeter, create_meter
from app.operations.organization.bootstrap import bootstrap_organization
from app.operations.plan.create import NewFeature, NewPlan, create_plan
from app.operations.plan.publish import publish_plan
from app.operations.subscription.create import NewSubscription, create_subscription
from app.operations.usage.record import NewEvent, record_usage
from app.store.connection import ConnectionPool, Timeouts
from app.store.tables.organization import Mode
from app.store.tenancy import Database, TenantDatabase
from bench.scratch import ACTOR, administer, scratch_database

SIZES = (100, 1_000, 10_000)
WARM_UP = 2_000
ROUNDS = {100: 9, 1_000: 4, 10_000: 2}
SLOWER_MAX = 1.0
NOISE = 0.15
AN_HOUR = timedelta(hours=1)
START = datetime(2026, 4, 1, tzinfo=UTC)
TIERS = (Tier(Decimal(1_000), Decimal("0.5"), 0), Tier(None, Decimal("0.25"), 0))
PRICE = UsagePrice(PricingModel.GRADUATED, TIERS, None, None, None)
CALLS = NewFeature("calls", "API calls", FeatureType.METERED, None, "calls", Decimal(100), PRICE)
PLAN = NewPlan("pro", "Pro", None, "USD", 2_900, Interval.MONTH, 1, BillingTiming.IN_ARREARS, [CALLS])


async def main() -> None:
    """Prepare, measure in turn, print; exit code 1 where an invoice costs more in the largest run."""
    async with scratch_database(durable=True) as scratch:
        limits = Timeouts(statement=60_000, lock=60_000, idle=60_000)
        pool = ConnectionPool(scratch.url(), size=4, timeouts=limits)
        await pool.open()
        await run_billing(await company(Database(pool), WARM_UP, scratch.administrator_url))
        await pool.close()
        await administer(scratch.administrator_url, "vacuum analyze")
        await pool.open()
        try:
            held = await measured(Database(pool), scratch.administrator_url)
        finally:
            await pool.close()
    raise SystemExit(0 if held else 1)


async def measured(database: Database, administrator_url: str) -> bool:
    """Whether an invoice of the largest run costs no more than one of the smallest."""
    seconds: dict[int, list[float]] = {size: [] for size in SIZES}
    for turn in range(max(ROUNDS.values())):
        for size in (size for size in SIZES if turn < ROUNDS[size]):
            tenant = await company(database, size, administrator_url)
            begun = time.perf_counter()
            summary = await run_billing(tenant)
            seconds[size].append(time.perf_counter() - begun)
            if (summary.invoices, summary.failures) != (size, ()):
                raise AssertionError(f"{summary} of {size}")
    print(f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}\n")
    print(f"{'subscriptions':>14}{'runs':>6}{'invoices/s':>12}{'ms/invoice':>12}")
    each = {size: median(taken) / size for size, taken in seconds.items()}
    for size, cost in each.items():
        print(f"{size:14,}{len(seconds[size]):6}{1 / cost:12,.0f}{cost * 1000:12.2f}")
    ratio = each[SIZES[-1]] / each[SIZES[0]]
    print(f"\nan invoice of {SIZES[-1]:,} costs {ratio:.2f} of one of {SIZES[0]:,}; no more than 1 is wanted")
    return ratio <= SLOWER_MAX + NOISE


async def company(database: Database, size: int, administrator_url: str) -> TenantDatabase:
    """An organization with that many subscriptions, each with usage, a month after they began."""
    made = await bootstrap_organization(
        database, legal_name=f"Bench {size}", mode=Mode.TEST, test_clock=START, pepper="pepper" * 8
    )
    tenant = database.tenant(made.organization_id, ACTOR)
    await create_meter(tenant, NewMeter("calls", "Calls", None, Aggregation.SUM, None))
    await publish_plan(tenant, await create_plan(tenant, PLAN))
    ids = []
    for seats in range(size):
        new = NewSubscription(None, "pro", None, 1 + seats % 9, START, None, None)
        # Each in a transaction of its own and on a connection of its own: nothing is held while it waits.
        ids.append((await create_subscription(database.tenant(made.organization_id, ACTOR), new))[0])
    for first in range(0, size, 1_000):
        events = [
            NewEvent(
                f"event-{key}", "bench", "calls", None, None, key, Decimal(1_234), START + timedelta(hours=1), None
            )
            for key in ids[first : first + 1_000]
        ]
        await record_usage(tenant, events)
    administrator = await asyncpg.connect(administrator_url)
    try:
        await administrator.execute(
            "update organizations set test_clock = $2 where organization_id = $1",
            made.organization_id,
            datetime(2026, 5, 2, tzinfo=UTC),
        )
    finally:
        await administrator.close()
    return tenant


if __name__ == "__main__":
    asyncio.run(main())
