"""Invoices that are taken back: a dispute, and a period that is billed a second time."""

import pytest

from tests.operations.steps import plan, subscription
from tests.stories.conftest import Company
from tests.stories.telling import advance, invoices, statement, told

STATUS = "invoice { id number status }"


async def test_a_dispute_ends_at_a_balance_of_0(company: Company) -> None:
    """+9900, -9900 (void), +9900, -9900 (payment): 0; the void's number stays, the second invoice has its own (M13)."""
    caller = await company("2026-05-01T00:00:00Z")
    await plan(caller, "pro", 9900)
    subscription_id = await subscription(caller)
    await advance(caller, "2026-06-01T00:00:00Z")
    (first,) = (await caller.data("{ invoices { nodes { id } } }"))["invoices"]["nodes"]
    await caller.change("invoiceVoid", {"invoiceId": first["id"], "reason": "Wrong address"}, STATUS)
    may = {"start": "2026-05-01T00:00:00Z", "end": "2026-06-01T00:00:00Z"}
    made = await caller.change("invoiceGenerate", {"subscriptionId": subscription_id, "period": may}, STATUS)
    second = made["invoice"]["id"]
    await caller.change("invoiceFinalize", {"invoiceId": second}, STATUS)
    paid = await caller.change("invoiceMarkPaid", {"invoiceId": second}, STATUS)
    assert (paid["invoice"]["number"], paid["invoice"]["status"]) == ("INV-2026-0002", "PAID")
    assert await statement(caller) == [
        ("CHARGE", 9900, 9900),
        ("CREDIT", -9900, 0),
        ("CHARGE", 9900, 9900),
        ("PAYMENT", -9900, 0),
    ]
    balances = await caller.data("{ balances { amount } }")
    assert balances["balances"] == [{"amount": 0}]


@pytest.mark.parametrize("timing", ["IN_ARREARS", "IN_ADVANCE"])
async def test_the_next_run_bills_a_voided_period_a_second_time(company: Company, timing: str) -> None:
    """M16: a void frees its period; the run bills it again, once, and no other period twice."""
    caller = await company("2026-05-01T00:00:00Z")
    await plan(caller, "pro", 9900, timing=timing)
    subscription_id = await subscription(caller)
    await advance(caller, "2026-08-01T00:00:00Z")
    before = await caller.data("{ invoices(orderBy: {field: CREATED_AT, direction: ASC}) { nodes { id } } }")
    await caller.change("invoiceVoid", {"invoiceId": before["invoices"]["nodes"][1]["id"]}, STATUS)
    run = "invoicesGenerated failures { message } remaining"
    again = await caller.change("billingRun", {}, run)
    assert (again["invoicesGenerated"], again["failures"], again["remaining"]) == (1, [], 0)
    assert (await caller.change("billingRun", {}, run))["invoicesGenerated"] == 0
    found = await invoices(caller, subscription_id)
    voided, last = found[1], found[-1]
    assert (voided["status"], voided["number"]) == ("VOID", "INV-2026-0002")
    assert told([last]) == told([voided])
    live = [invoice["period"]["start"] for invoice in found if invoice["status"] != "VOID"]
    assert len(live) == len(set(live)) == len(found) - 1
