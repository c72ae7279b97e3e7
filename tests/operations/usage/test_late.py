"""Usage that comes while its period is billed: it is on the invoice or it is adjusted, whoever comes first."""

import asyncio
from decimal import Decimal

import asyncpg

from app.operations.billing.run import run_billing
from app.operations.usage.record import NewEvent, record_usage
from app.store.tenancy import Database
from tests.caller import Caller
from tests.operations.steps import database_of, instant, meter, plan, set_clock, soft_quota, subscription

EVENT = NewEvent(
    event_id="at-the-last-moment",
    source="api",
    meter="calls",
    customer_id=None,
    external_customer_id=None,
    subscription_id=None,
    quantity=Decimal(5),
    occurred_at=instant("2026-06-19T23:59:59Z"),
    properties=None,
)
INVOICES = "{ invoices(orderBy: {field: CREATED_AT, direction: ASC}) { nodes { reason total { amount } } } }"


async def at_the_boundary(tester: Caller, administrator: asyncpg.Connection) -> None:
    """A subscription whose first month ended a moment ago and is not billed yet."""
    await meter(tester)
    await plan(tester, "pro", 0, soft_quota("calls"))
    await subscription(tester)
    await set_clock(administrator, tester, "2026-06-20T00:00:01Z")


async def told(tester: Caller) -> list[tuple[str, int]]:
    """The reason and total of each invoice."""
    nodes = (await tester.data(INVOICES))["invoices"]["nodes"]
    return [(node["reason"], node["total"]["amount"]) for node in nodes]


async def test_a_run_that_comes_while_an_event_is_stored_bills_without_it_and_looks_again(
    tester: Caller, database: Database, administrator: asyncpg.Connection
) -> None:
    """Whose usage never rests is billed all the same: the run does not wait, and marks what it may have missed."""
    await at_the_boundary(tester, administrator)
    sender, runner = database_of(database, tester), database_of(database, tester)
    await sender.hold_write()
    await record_usage(sender, [EVENT])
    assert [(await run_billing(runner)).invoices for _ in range(2)] == [1, 0]
    await sender.release(commit=True)
    assert [(await run_billing(runner)).invoices for _ in range(2)] == [1, 0]
    assert await told(tester) == [("PERIOD", 0), ("ADJUSTMENT", 5)]
    marked = "select count(*) from late_usage where organization_id = $1"
    assert await administrator.fetchval(marked, tester.database.organization_id) == 0


async def test_an_event_that_comes_while_a_run_bills_its_period_is_adjusted(
    tester: Caller, database: Database, administrator: asyncpg.Connection
) -> None:
    """The run has counted and not committed: the event waits for it, finds its period billed, and is booked next."""
    await at_the_boundary(tester, administrator)
    sender, runner = database_of(database, tester), database_of(database, tester)
    await runner.hold_write()
    assert (await run_billing(runner)).invoices == 1
    sending = asyncio.ensure_future(record_usage(sender, [EVENT]))
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    while not await administrator.fetchval(waiting):
        assert not sending.done()
    await runner.release(commit=True)
    await sending
    assert (await run_billing(runner)).invoices == 1
    assert await told(tester) == [("PERIOD", 0), ("ADJUSTMENT", 5)]
