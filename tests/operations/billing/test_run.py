"""billing.run: what is due is billed, once, and one failure blocks no other."""

import asyncio
import json
from typing import Any

import asyncpg
import pytest
from structlog.testing import CapturingLogger

from app.api.ids import SUBSCRIPTION, uuid_of
from app.operations.billing import run as billing_run
from app.operations.billing.run import BillingSummary, run_billing
from app.store.connection import ConnectionPool, Timeouts
from app.store.tenancy import Database
from tests.caller import Caller
from tests.operations.steps import (
    customer,
    database_of,
    fingerprint,
    instant,
    meter,
    plan,
    refusal,
    send,
    set_clock,
    soft_quota,
    subscription,
)
from tests.stories.telling import invoices, lines, told

RUN = "invoicesGenerated remaining failures { subscription { id } message }"


async def run(caller: Caller, **more: Any) -> dict[str, Any]:
    return await caller.change("billingRun", more, RUN)


async def subscribed(caller: Caller, count: int, **more: Any) -> list[str]:
    """So many subscriptions to a plan of 3100 a month."""
    await plan(caller, "pro", 3100, **more)
    return [await subscription(caller) for _ in range(count)]


async def test_a_run_bills_each_period_that_ended_once(tester: Caller, administrator: asyncpg.Connection) -> None:
    """E12: periods that began long ago are billed in order, up to now; a second run finds nothing (M19)."""
    await meter(tester)
    await plan(tester, "pro", 3100, soft_quota("calls"))
    subscription_id = await subscription(tester, startAt="2026-01-31T00:00:00Z")
    assert await send(tester, {"meter": "calls", "quantity": "7", "occurredAt": "2026-04-30T12:00:00Z"}) == ["ACCEPTED"]
    assert await run(tester) == {"invoicesGenerated": 3, "remaining": 0, "failures": [], "userErrors": []}
    assert told(await invoices(tester, subscription_id)) == [
        ("PERIOD", "2026-01-31 > 2026-02-28", [("BASE_FEE", 3100), ("USAGE", 0)]),
        ("PERIOD", "2026-02-28 > 2026-03-31", [("BASE_FEE", 3100), ("USAGE", 0)]),
        ("PERIOD", "2026-03-31 > 2026-04-30", [("BASE_FEE", 3100), ("USAGE", 0)]),
    ]
    assert (await run(tester))["invoicesGenerated"] == 0
    await set_clock(administrator, tester, "2026-05-31T00:00:00Z")
    assert (await run(tester))["invoicesGenerated"] == 1
    assert lines((await invoices(tester, subscription_id))[-1]) == [("BASE_FEE", 3100), ("USAGE", 7)]


async def test_a_run_bills_only_what_ended_by_the_instant_that_was_asked_for(tester: Caller) -> None:
    """`until` may lie in the past, and not in the future."""
    await plan(tester, "pro", 3100)
    await subscription(tester, startAt="2026-01-01T00:00:00Z")
    assert (await run(tester, until="2026-02-28T23:59:59Z"))["invoicesGenerated"] == 1
    assert (await run(tester, until="2026-03-01T00:00:00Z"))["invoicesGenerated"] == 1
    later = await tester.attempt("billingRun", {"until": "2026-05-20T00:00:01Z"}, RUN)
    assert refusal(later) == ("INVALID", "until")
    assert (await run(tester))["invoicesGenerated"] == 2


async def test_a_poison_subscription_stops_nothing_else(
    tester: Caller, administrator: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E13: it shows in `failures` and in the log, leaves nothing behind, and is billed once it is mended."""
    await meter(tester)
    healthy = await subscribed(tester, 3)
    await plan(tester, "poison", 500, soft_quota("calls"))
    poison = await subscription(tester, "poison")
    await set_clock(administrator, tester, "2026-06-20T00:00:00Z")
    price = await administrator.fetchval(
        "select price from plan_features where organization_id = $1", tester.database.organization_id
    )
    await break_price(administrator, tester, {"model": "SPLINE"})
    log = CapturingLogger()
    monkeypatch.setattr(billing_run, "log", log)
    summary = await run(tester)
    assert summary["invoicesGenerated"] == 3
    (failure,) = summary["failures"]
    assert failure["subscription"] == {"id": poison}
    assert failure["message"].startswith("Its plan or its usage cannot be read or priced")
    logged = {call.args[0]: call.kwargs for call in log.calls}
    assert logged["billing.failed"]["subscription_id"] == str(uuid_of(SUBSCRIPTION, poison))
    assert logged["billing.run"] == {"invoices": 3, "failures": 1, "remaining": 0}
    assert (await run(tester))["invoicesGenerated"] == 0
    assert len(await invoices(tester)) == 3
    await break_price(administrator, tester, json.loads(price))
    assert (await run(tester))["invoicesGenerated"] == 1
    found = await tester.data("{ subscriptions(first: 10) { nodes { id invoices(first: 9) { totalCount } } } }")
    assert {node["id"]: node["invoices"]["totalCount"] for node in found["subscriptions"]["nodes"]} == {
        poison: 1,
        **dict.fromkeys(healthy, 1),
    }


async def break_price(administrator: asyncpg.Connection, caller: Caller, price: dict[str, Any]) -> None:
    """Write a price past the program."""
    await administrator.execute(
        "update plan_features set price = $2 where organization_id = $1",
        caller.database.organization_id,
        json.dumps(price),
    )


async def test_a_bill_beyond_the_bounds_of_an_amount_is_a_failure_that_says_so(
    tester: Caller, administrator: asyncpg.Connection
) -> None:
    """A refusal's own sentence is shown; the others are billed."""
    await plan(tester, "giant", 2**53 - 1)
    await subscription(tester, "giant", quantity=2)
    await subscribed(tester, 1)
    await set_clock(administrator, tester, "2026-06-20T00:00:00Z")
    summary = await run(tester)
    assert summary["invoicesGenerated"] == 1
    (failure,) = summary["failures"]
    assert "9,007,199,254,740,991" in failure["message"]


async def test_a_hundred_runs_at_once_bill_each_period_once(
    tester: Caller, administrator: asyncpg.Connection, database: Database
) -> None:
    """What one run is at, the others pass by; together they make one invoice for each subscription."""
    await subscribed(tester, 30)
    await set_clock(administrator, tester, "2026-06-20T00:00:00Z")
    summaries = await asyncio.gather(*(patient_run(database_of(database, tester)) for _ in range(100)))
    assert sum(summary.invoices for summary in summaries) == 30
    assert not any(summary.failures for summary in summaries)
    numbers = sorted(invoice["number"] for invoice in await invoices(tester))
    assert numbers == [f"INV-2026-{number:04d}" for number in range(1, 31)]


async def patient_run(db: Any) -> BillingSummary:
    """A run that waits for a connection as long as it takes."""
    while True:
        try:
            return await run_billing(db)
        except Exception as error:
            if type(error).__name__ != "Unavailable":
                raise


async def test_chunks_are_transactions_of_their_own(
    tester: Caller, administrator: asyncpg.Connection, database: Database
) -> None:
    """The job's run tells how far it is after each chunk, and a run that is cut off keeps what it told."""
    await subscribed(tester, 60)
    await set_clock(administrator, tester, "2026-06-20T00:00:00Z")

    class Cut(Exception):
        """The run is cut off."""

    def cut(summary: BillingSummary) -> None:
        raise Cut

    with pytest.raises(Cut):
        await run_billing(database_of(database, tester), told=cut)
    assert len(await invoices(tester)) == 50
    told_since: list[int] = []
    summary = await run_billing(database_of(database, tester), told=lambda so_far: told_since.append(so_far.invoices))
    assert (told_since, summary.invoices) == ([10], 10)


async def test_a_run_whose_time_is_up_says_how_much_is_left(
    tester: Caller, administrator: asyncpg.Connection, database: Database
) -> None:
    """It ends the chunk that it is at and begins no other."""
    await subscribed(tester, 2)
    await set_clock(administrator, tester, "2026-06-20T00:00:00Z")
    assert await run_billing(database_of(database, tester), seconds=-1) == BillingSummary(0, (), 2)


async def test_a_dry_run_answers_what_a_run_would_and_stores_nothing(
    tester: Caller, administrator: asyncpg.Connection
) -> None:
    """No invoice, no number, no entry: not even the place of the billing moves."""
    await subscribed(tester, 3)
    await set_clock(administrator, tester, "2026-06-20T00:00:00Z")
    before = await fingerprint(administrator, tester)
    assert (await run(tester, dryRun=True))["invoicesGenerated"] == 3
    assert await fingerprint(administrator, tester) == before


@pytest.mark.parametrize(
    ("now", "adopted"),
    [("2026-06-21T00:00:00Z", False), ("2026-06-22T23:59:59Z", False), ("2026-06-23T00:00:00Z", True)],
)
async def test_a_forgotten_draft_is_finalized_once_its_grace_is_over(
    tester: Caller, administrator: asyncpg.Connection, now: str, adopted: bool
) -> None:
    """M16: for three days after the period's end it waits for review; then the run finalizes it and goes on."""
    subscription_id = (await subscribed(tester, 1))[0]
    await tester.change("invoiceGenerate", {"subscriptionId": subscription_id}, "invoice { id }")
    await set_clock(administrator, tester, now)
    assert (await run(tester))["invoicesGenerated"] == int(adopted)
    (invoice,) = await invoices(tester)
    assert (invoice["status"], invoice["number"]) == (("FINALIZED", "INV-2026-0001") if adopted else ("DRAFT", None))
    await set_clock(administrator, tester, "2026-07-20T00:00:00Z")
    await run(tester)
    assert told(await invoices(tester)) == [
        ("PERIOD", "2026-05-20 > 2026-06-20", [("BASE_FEE", 3100)]),
        ("PERIOD", "2026-06-20 > 2026-07-20", [("BASE_FEE", 3100)]),
    ]


async def test_a_draft_of_a_period_that_went_on_is_priced_anew(
    tester: Caller, administrator: asyncpg.Connection
) -> None:
    """M44: usage after the draft was made is on it once the run finalizes it; lines by hand stay."""
    await meter(tester)
    await plan(tester, "pro", 3100, soft_quota("calls"))
    subscription_id = await subscription(tester)
    made = await tester.change("invoiceGenerate", {"subscriptionId": subscription_id}, "invoice { id }")
    line = {"invoiceId": made["invoice"]["id"], "description": "Training", "unitPrice": "500"}
    await tester.change("invoiceLineItemAdd", line, "invoice { id }")
    assert await send(tester, {"meter": "calls", "quantity": "40"}) == ["ACCEPTED"]
    await set_clock(administrator, tester, "2026-06-25T00:00:00Z")
    assert (await run(tester))["invoicesGenerated"] == 1
    (invoice,) = await invoices(tester)
    assert sorted(lines(invoice)) == [("BASE_FEE", 3100), ("MANUAL", 500), ("USAGE", 40)]
    assert invoice["total"]["amount"] == 3640


async def test_what_was_finalized_by_hand_is_not_billed_again(
    tester: Caller, administrator: asyncpg.Connection
) -> None:
    """M17: the run goes on behind an invoice that somebody finalized before it."""
    subscription_id = (await subscribed(tester, 1))[0]
    made = await tester.change("invoiceGenerate", {"subscriptionId": subscription_id}, "invoice { id }")
    await tester.change("invoiceFinalize", {"invoiceId": made["invoice"]["id"]}, "invoice { number }")
    await set_clock(administrator, tester, "2026-07-20T00:00:00Z")
    assert (await run(tester))["invoicesGenerated"] == 1
    assert [days["period"]["start"] for days in await invoices(tester)] == [
        "2026-05-20T00:00:00Z",
        "2026-06-20T00:00:00Z",
    ]


async def test_past_due_goes_on_being_billed(tester: Caller, administrator: asyncpg.Connection) -> None:
    """M18: what is owed does not stop what is used."""
    (subscription_id,) = await subscribed(tester, 1)
    await administrator.execute(
        "update subscriptions set past_due_at = $2 where organization_id = $1",
        tester.database.organization_id,
        instant("2026-05-25T00:00:00Z"),
    )
    await set_clock(administrator, tester, "2026-07-20T00:00:00Z")
    found = await tester.data("query($id: ID!) { subscription(id: $id) { status } }", id=subscription_id)
    assert found["subscription"]["status"] == "PAST_DUE"
    assert (await run(tester))["invoicesGenerated"] == 2


async def test_a_change_of_the_time_zone_bills_every_second_once(
    tester: Caller, administrator: asyncpg.Connection
) -> None:
    """Boundaries move with the organization's zone; what is due is still what is owed and not accounted for."""
    await plan(tester, "day", 2400, interval="DAY", timing="IN_ADVANCE")
    customer_id = await customer(tester)
    subscription_id = await subscription(tester, "day", customerId=customer_id)
    await set_clock(administrator, tester, "2026-05-22T00:00:00Z")
    await run(tester)
    await tester.change("organizationUpdate", {"timeZone": "Asia/Kathmandu"}, "organization { timeZone }")
    await set_clock(administrator, tester, "2026-05-25T00:00:00Z")
    await run(tester)
    found = await invoices(tester, subscription_id)
    assert sum(invoice["total"]["amount"] for invoice in found) == 6 * 2400


async def test_one_that_takes_too_long_stops_nothing_else(
    tester: Caller, administrator: asyncpg.Connection, app_url: str
) -> None:
    """What PostgreSQL cuts off is a failure of that subscription alone; the others are billed (E13)."""
    await subscribed(tester, 2)
    await plan(tester, "slow", 500)
    slow = await subscription(tester, "slow")
    await set_clock(administrator, tester, "2026-06-20T00:00:00Z")
    pool = ConnectionPool(app_url, size=1, timeouts=Timeouts(statement=500))
    await pool.open()
    try:
        await administrator.execute(SLOW)
        summary = await run_billing(database_of(Database(pool), tester))
    finally:
        await pool.close()
        await administrator.execute("drop function slow() cascade")
    assert summary.invoices == 2
    (failure,) = summary.failures
    assert (failure.subscription_id, failure.message[:34]) == (
        uuid_of(SUBSCRIPTION, slow),
        "Its usage took too long to count: ",
    )


SLOW = """
create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(9); return new; end $$;
create trigger slow before insert on invoice_line_items for each row when (new.description like 'slow:%')
execute function slow()
"""
