"""Usage that comes after its period was invoiced: one adjustment for each closed period and billing run."""

from typing import Any

import asyncpg
import pytest

from tests.caller import Caller
from tests.operations.steps import customer, meter, plan, send, soft_quota, subscription
from tests.stories.conftest import Company
from tests.stories.telling import advance, invoices, statement, told

RUN = "invoicesGenerated failures { message } remaining"
VOID = "invoice { status }"
TIERS = {"model": "GRADUATED", "tiers": [{"upTo": "100", "unitPrice": "2"}, {"unitPrice": "1.5"}]}
PENDING = """{ subscriptions { nodes {
  pendingAdjustments { period { start } total { amount } lineItems { kind } } } } }"""
EXPLAINED = """{ invoices(first: 1) { nodes { notes lineItems { description quantity explanation {
  used billable usedBefore billableBefore exact steps { description amount } } } } } }"""


async def run(caller: Caller) -> int:
    """Run the billing now; how many invoices it made."""
    made = await caller.change("billingRun", {}, RUN)
    assert (made["failures"], made["remaining"]) == ([], 0)
    return made["invoicesGenerated"]


async def used(caller: Caller, event_id: str, quantity: str, at: str, **more: Any) -> None:
    """Send one event that is taken."""
    event = {"eventId": event_id, "meter": "calls", "quantity": quantity, "occurredAt": at, **more}
    assert await send(caller, event) == ["ACCEPTED"]


async def billed_may(company: Company, price: dict[str, Any] | None = None, **more: Any) -> tuple[Caller, str]:
    """A company that used 90 calls in May, was invoiced for them, and has come to 2 June."""
    caller = await company("2026-05-01T00:00:00Z")
    await meter(caller)
    await plan(caller, "pro", 3100, {**soft_quota("calls"), "price": price or TIERS}, **more)
    subscription_id = await subscription(caller)
    await advance(caller, "2026-05-20T00:00:00Z")
    await used(caller, "may", "90", "2026-05-19T12:00:00Z")
    await advance(caller, "2026-06-02T00:00:00Z")
    return caller, subscription_id


async def test_late_usage_is_adjusted_once_by_the_next_run(company: Company) -> None:
    """120 calls cost 230 and 90 were billed as 180: 50 more, whatever came in how many parts; then nothing more."""
    caller, _ = await billed_may(company)
    await used(caller, "late-1", "10", "2026-05-31T23:59:59Z")
    await used(caller, "late-2", "20", "2026-05-01T00:00:00Z")
    await used(caller, "in-time", "7", "2026-06-01T00:00:00Z")
    assert (await caller.data(PENDING))["subscriptions"]["nodes"][0]["pendingAdjustments"] == [
        {"period": {"start": "2026-05-01T00:00:00Z"}, "total": {"amount": 50}, "lineItems": [{"kind": "ADJUSTMENT"}]}
    ]
    assert (await run(caller), await run(caller)) == (1, 0)
    assert told(await invoices(caller)) == [
        ("PERIOD", "2026-05-01 > 2026-06-01", [("BASE_FEE", 3100), ("USAGE", 180)]),
        ("ADJUSTMENT", "2026-05-01 > 2026-06-01", [("ADJUSTMENT", 50)]),
    ]
    assert (await caller.data(PENDING))["subscriptions"]["nodes"] == [{"pendingAdjustments": []}]
    assert await statement(caller) == [("CHARGE", 3280, 3280), ("CHARGE", 50, 3330)]
    (adjustment,) = (await caller.data(EXPLAINED))["invoices"]["nodes"]
    assert adjustment == {
        "notes": "Adjusts INV-2026-0001",
        "lineItems": [
            {
                "description": "calls: 120 used, billed as 90",
                "quantity": "30",
                "explanation": {
                    "used": "120",
                    "billable": "120",
                    "usedBefore": "90",
                    "billableBefore": "90",
                    "exact": "50",
                    "steps": [
                        {"description": "Now (120 used): Tier 1: first 100 units at 2", "amount": "200"},
                        {"description": "Now (120 used): Tier 2: next 20 units at 1.5", "amount": "30"},
                        {"description": "Before (90 used): Tier 1: first 90 units at 2", "amount": "-180"},
                    ],
                },
            }
        ],
    }
    await advance(caller, "2026-07-02T00:00:00Z")
    assert told(await invoices(caller))[2:] == [
        ("PERIOD", "2026-06-01 > 2026-07-01", [("BASE_FEE", 3100), ("USAGE", 14)])
    ]


async def test_the_daily_run_adjusts_on_a_test_clock_too(company: Company) -> None:
    """What comes at noon is booked at 00:05 of the next day, however far one step of the clock goes."""
    caller, _ = await billed_may(company)
    await advance(caller, "2026-06-02T12:00:00Z")
    await used(caller, "late", "1", "2026-05-19T12:00:00Z")
    await advance(caller, "2026-06-03T00:04:00Z")
    assert len(await invoices(caller)) == 1
    await advance(caller, "2026-06-20T00:00:00Z")
    (_, adjustment) = await invoices(caller)
    assert (adjustment["finalizedAt"], adjustment["total"]["amount"]) == ("2026-06-03T00:05:00Z", 2)


async def test_each_closed_period_has_its_own_adjustment(company: Company) -> None:
    """A run books what came late for May to May and what came late for June to June; included units stay included."""
    caller, _ = await billed_may(company)
    await advance(caller, "2026-07-02T00:00:00Z")
    await used(caller, "late-june", "3", "2026-06-15T00:00:00Z")
    await used(caller, "late-may", "1", "2026-05-31T00:00:00Z")
    assert await run(caller) == 2
    assert sorted(told(await invoices(caller))[2:], key=str) == [
        ("ADJUSTMENT", "2026-05-01 > 2026-06-01", [("ADJUSTMENT", 2)]),
        ("ADJUSTMENT", "2026-06-01 > 2026-07-01", [("ADJUSTMENT", 6)]),
    ]


@pytest.mark.parametrize("which", [0, 1])
async def test_a_void_is_billed_again_and_nothing_twice(company: Company, which: int) -> None:
    """Whether the invoice of May or its adjustment is taken back: once the run is over, 120 calls of May are billed."""
    caller, subscription_id = await billed_may(company)
    await used(caller, "late", "30", "2026-05-25T00:00:00Z")
    assert await run(caller) == 1
    nodes = await caller.data("{ invoices(orderBy: {field: CREATED_AT, direction: ASC}) { nodes { id } } }")
    await caller.change("invoiceVoid", {"invoiceId": nodes["invoices"]["nodes"][which]["id"]}, VOID)
    assert await run(caller) > 0
    live = [invoice for invoice in await invoices(caller, subscription_id) if invoice["status"] != "VOID"]
    assert sum(invoice["total"]["amount"] for invoice in live) == 3100 + 230
    assert await run(caller) == 0


async def test_a_period_that_was_invoiced_early_is_made_right_at_its_end(company: Company) -> None:
    """An invoice by hand on 20 May bills what was used by then; the end of May books what came after it."""
    caller = await company("2026-05-01T00:00:00Z")
    await meter(caller)
    await plan(caller, "pro", 3100, soft_quota("calls"))
    subscription_id = await subscription(caller)
    await advance(caller, "2026-05-20T00:00:00Z")
    await used(caller, "before", "5", "2026-05-19T00:00:00Z")
    made = await caller.change("invoiceGenerate", {"subscriptionId": subscription_id}, "invoice { id }")
    await caller.change("invoiceFinalize", {"invoiceId": made["invoice"]["id"]}, "invoice { number }")
    await advance(caller, "2026-05-21T00:00:00Z")
    await used(caller, "after", "7", "2026-05-20T12:00:00Z")
    await advance(caller, "2026-06-02T00:00:00Z")
    assert told(await invoices(caller)) == [
        ("PERIOD", "2026-05-01 > 2026-06-01", [("BASE_FEE", 3100), ("USAGE", 5)]),
        ("ADJUSTMENT", "2026-05-01 > 2026-06-01", [("ADJUSTMENT", 7)]),
    ]


@pytest.mark.parametrize(
    ("change", "more"), [("cancel", []), ("reset", [("ADJUSTMENT", "2026-05-20 > 2026-06-20", [("ADJUSTMENT", 5000)])])]
)
async def test_a_period_that_was_invoiced_early_is_made_right_where_a_change_ends_it(
    company: Company, change: str, more: list[Any]
) -> None:
    """May is invoiced on the 10th and ends on the 20th: the 7 calls of the 15th are booked, and the 5 of the 25th are
    nobody's after a cancellation, and the next period's after a reset.
    """
    caller = await company("2026-05-01T00:00:00Z")
    await meter(caller)
    await plan(caller, "pro", 0, soft_quota("calls"))
    await plan(caller, "dear", 0, soft_quota("calls", unit_price="1000"))
    subscription_id = await subscription(caller)
    await advance(caller, "2026-05-10T00:00:00Z")
    made = await caller.change("invoiceGenerate", {"subscriptionId": subscription_id}, "invoice { id }")
    await caller.change("invoiceFinalize", {"invoiceId": made["invoice"]["id"]}, "invoice { number }")
    await advance(caller, "2026-05-20T00:00:00Z")
    await used(caller, "before", "7", "2026-05-15T00:00:00Z")
    if change == "cancel":
        await caller.change(
            "subscriptionCancel", {"subscriptionId": subscription_id, "timing": "NOW"}, "subscription { id }"
        )
    else:
        reset = {"subscriptionId": subscription_id, "planKey": "dear", "proration": "RESET_PERIOD"}
        await caller.change("subscriptionChangePlan", reset, "subscription { id }")
    await advance(caller, "2026-05-26T00:00:00Z")
    await used(caller, "after", "5", "2026-05-25T00:00:00Z", subscriptionId=subscription_id)
    await advance(caller, "2026-06-21T12:00:00Z")
    assert [each for each in told(await invoices(caller)) if each[0] == "ADJUSTMENT"] == [
        ("ADJUSTMENT", "2026-05-01 > 2026-05-20", [("ADJUSTMENT", 7)]),
        *more,
    ]


async def test_a_draft_that_was_reviewed_stays_as_it_was_and_what_came_meanwhile_is_adjusted(company: Company) -> None:
    """The draft of May waits for review; the event that comes in between is on no draft, and on one adjustment."""
    caller = await company("2026-05-01T00:00:00Z")
    await meter(caller)
    await plan(caller, "pro", 3100, soft_quota("calls"))
    subscription_id = await subscription(caller)
    await advance(caller, "2026-05-31T00:00:00Z")
    made = await caller.change("invoiceGenerate", {"subscriptionId": subscription_id}, "invoice { id }")
    await advance(caller, "2026-06-01T12:00:00Z")
    await caller.change("invoiceDeleteDraft", {"invoiceId": made["invoice"]["id"]}, "deletedId")
    may = {"start": "2026-05-01T00:00:00Z", "end": "2026-06-01T00:00:00Z"}
    await caller.change("invoiceGenerate", {"subscriptionId": subscription_id, "period": may}, "invoice { id }")
    await used(caller, "meanwhile", "4", "2026-05-30T00:00:00Z")
    await advance(caller, "2026-06-10T00:00:00Z")
    assert told(await invoices(caller)) == [
        ("PERIOD", "2026-05-01 > 2026-06-01", [("BASE_FEE", 3100), ("USAGE", 0)]),
        ("ADJUSTMENT", "2026-05-01 > 2026-06-01", [("ADJUSTMENT", 4)]),
    ]


@pytest.mark.parametrize("timing", ["IN_ARREARS", "IN_ADVANCE"])
async def test_late_usage_is_priced_by_the_plan_that_was_in_force(company: Company, timing: str) -> None:
    """A call before the change costs 1 and one after it 2, and a third plan that came since prices neither."""
    caller = await company("2026-05-01T00:00:00Z")
    await meter(caller)
    for key, unit_price in (("basic", "1"), ("pro", "2"), ("most", "3")):
        await plan(caller, key, 0, soft_quota("calls", unit_price=unit_price), timing=timing)
    subscription_id = await subscription(caller, "basic")
    for at, key in (("2026-05-11T00:00:00Z", "pro"), ("2026-06-05T00:00:00Z", "most")):
        await advance(caller, at)
        await caller.change(
            "subscriptionChangePlan", {"subscriptionId": subscription_id, "planKey": key}, "invoice { id }"
        )
    known = len(await invoices(caller))
    await used(caller, "on-basic", "10", "2026-05-10T00:00:00Z")
    await used(caller, "on-pro", "10", "2026-05-12T00:00:00Z")
    assert await run(caller) == 1
    found = (await invoices(caller))[known:]
    assert told(found) == [("ADJUSTMENT", "2026-05-01 > 2026-06-01", [("ADJUSTMENT", 10), ("ADJUSTMENT", 20)])]
    assert [line["description"] for line in found[0]["lineItems"]] == [
        "calls on basic: 10 used, billed as 0",
        "calls on pro: 10 used, billed as 0",
    ]


async def test_late_usage_of_a_life_that_ended(company: Company) -> None:
    """Cancelled on the 20th: what happened before is adjusted, what happened after is nobody's."""
    caller, subscription_id = await billed_may(company)
    await advance(caller, "2026-06-20T00:00:00Z")
    await caller.change("subscriptionCancel", {"subscriptionId": subscription_id, "timing": "NOW"}, "invoice { id }")
    await advance(caller, "2026-06-22T00:00:00Z")
    await used(caller, "before", "1", "2026-06-19T00:00:00Z")
    await used(caller, "after", "1", "2026-06-21T00:00:00Z", subscriptionId=subscription_id)
    assert await run(caller) == 1
    assert told(await invoices(caller))[2:] == [
        ("ADJUSTMENT", "2026-06-01 > 2026-06-20", [("ADJUSTMENT", 2)]),
    ]


async def test_late_usage_of_a_hard_quota_or_within_what_is_included_makes_no_document(company: Company) -> None:
    """Where no amount differs there is nothing to book, though a pause and a quota were passed."""
    caller = await company("2026-05-01T00:00:00Z")
    await meter(caller)
    await meter(caller, "seats")
    hard = {"key": "seats", "name": "seats", "type": "QUOTA", "enforcement": "HARD", "meter": "seats", "included": "1"}
    await plan(caller, "pro", 3100, soft_quota("calls", "10"), hard)
    await subscription(caller)
    await advance(caller, "2026-06-02T00:00:00Z")
    await used(caller, "included", "10", "2026-05-19T12:00:00Z")
    await used(caller, "hard", "5", "2026-05-19T12:00:00Z", meter="seats")
    assert await run(caller) == 0
    await used(caller, "beyond", "1", "2026-05-19T12:00:00Z")
    assert await run(caller) == 1
    (_, adjustment) = await invoices(caller)
    assert [(line["description"], line["amount"]["amount"]) for line in adjustment["lineItems"]] == [
        ("calls: 11 used, billed as 0", 1)
    ]


@pytest.mark.parametrize(
    ("aggregation", "late", "amount"),
    [
        ("COUNT", "9", 1),
        ("SUM", "9", 9),
        ("MAX", "9", 3),
        ("MIN", "1", -5),
        ("AVG", "12", 3),
        ("LATEST", "9", 3),
        ("UNIQUE", "9", 1),
    ],
)
async def test_whatever_the_aggregation_the_difference_of_the_quantity_is_booked(
    company: Company, aggregation: str, late: str, amount: int
) -> None:
    """6 came in time; one more comes late, as the last of May: also where the quantity sinks, which is a credit."""
    caller = await company("2026-05-01T00:00:00Z")
    await meter(caller, aggregation=aggregation, **({"property": "user"} if aggregation == "UNIQUE" else {}))
    await plan(caller, "pro", 0, soft_quota("calls"))
    await subscription(caller)
    await advance(caller, "2026-05-20T00:00:00Z")
    await used(caller, "in-time", "6", "2026-05-19T12:00:00Z", properties={"user": "ada"})
    await advance(caller, "2026-06-02T00:00:00Z")
    await used(caller, "late", late, "2026-05-31T12:00:00Z", properties={"user": "bob"})
    assert await run(caller) == 1
    (_, adjustment) = await invoices(caller)
    status = "FINALIZED" if amount > 0 else "PAID"
    assert (adjustment["total"]["amount"], adjustment["status"]) == (amount, status)


async def test_waiting_usage_that_is_matched_after_its_period_was_invoiced(company: Company) -> None:
    """The customer gets the external id that the events named only once May is invoiced: then they count, for May."""
    caller = await company("2026-05-01T00:00:00Z")
    await meter(caller)
    await plan(caller, "pro", 0, soft_quota("calls"))
    customer_id = await customer(caller, "Xyzzy AG")
    await subscription(caller, customerId=customer_id)
    await advance(caller, "2026-05-20T00:00:00Z")
    assert await send(caller, {"meter": "calls", "quantity": "8", "externalCustomerId": "xyzzy"}) == ["UNMATCHED"]
    await advance(caller, "2026-06-02T00:00:00Z")
    await caller.change("customerUpdate", {"customerId": customer_id, "externalId": "xyzzy"}, "customer { id }")
    assert await run(caller) == 1
    assert told(await invoices(caller))[1:] == [("ADJUSTMENT", "2026-05-01 > 2026-06-01", [("ADJUSTMENT", 8)])]


async def test_usage_of_a_trial_is_not_marked(company: Company, administrator: asyncpg.Connection) -> None:
    """A trial bills nothing: what happens in it is never late, and no run has to look at it."""
    caller = await company("2026-05-01T00:00:00Z")
    await meter(caller)
    await plan(caller, "pro", 3100, soft_quota("calls"), trialDays=14)
    await subscription(caller)
    await advance(caller, "2026-05-10T00:00:00Z")
    await used(caller, "in-trial", "8", "2026-05-09T00:00:00Z")
    marked = "select count(*) from late_usage where organization_id = $1"
    assert await administrator.fetchval(marked, caller.database.organization_id) == 0
