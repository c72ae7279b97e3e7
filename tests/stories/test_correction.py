"""Corrections of usage: nothing in an open period, a draft that gathers in a closed one, credit where it was paid."""

from typing import Any

import pytest

from app.domain.role import Role
from tests.caller import Caller, Founder
from tests.operations.steps import meter, plan, refusal, soft_quota, subscription
from tests.stories.conftest import Company
from tests.stories.telling import advance, invoices, statement, told
from tests.stories.test_late_usage import billed_may, run, used

EVENT = "event { quantity effectiveQuantity corrections { quantity reason createdAt } }"
ADJUSTMENT = "adjustment { number status reason total { amount } lineItems { description amount { amount } } }"
USAGE = 'query($period: PeriodInput!) { usage(meter: "calls", period: $period, window: TOTAL) { total } }'
MAY = {"start": "2026-05-01T00:00:00Z", "end": "2026-06-01T00:00:00Z"}


async def correct(caller: Caller, event_id: str, quantity: str, **more: Any) -> dict[str, Any]:
    """Correct an event."""
    correction = {"eventId": event_id, "quantity": quantity, "reason": "Counted twice", **more}
    return await caller.change("usageCorrect", correction, f"{EVENT} {ADJUSTMENT}")


async def test_a_correction_in_the_open_period_needs_no_document(company: Company) -> None:
    """May has not ended: the event counts for its new quantity on May's invoice, and that is all."""
    caller, _ = await billed_may(company)
    await used(caller, "june", "90", "2026-06-01T12:00:00Z")
    corrected = await correct(caller, "june", "40")
    assert corrected == {
        "event": {
            "quantity": "90",
            "effectiveQuantity": "40",
            "corrections": [{"quantity": "40", "reason": "Counted twice", "createdAt": "2026-06-02T00:00:00Z"}],
        },
        "adjustment": None,
        "userErrors": [],
    }
    assert await run(caller) == 0
    await advance(caller, "2026-07-02T00:00:00Z")
    assert told(await invoices(caller))[1:] == [
        ("PERIOD", "2026-06-01 > 2026-07-01", [("BASE_FEE", 3100), ("USAGE", 80)])
    ]


async def test_what_a_customer_may_use_follows_a_correction_at_once(company: Company) -> None:
    """The process that has the counter in memory reads it anew."""
    caller, _ = await billed_may(company)
    await used(caller, "june", "90", "2026-06-01T12:00:00Z")
    asked = '{ entitlement(feature: "calls") { used } }'
    assert (await caller.data(asked))["entitlement"] == {"used": "90"}
    await correct(caller, "june", "0")
    assert (await caller.data(asked))["entitlement"] == {"used": "0"}


async def test_corrections_of_a_closed_period_gather_on_one_draft_until_the_run(company: Company) -> None:
    """90 calls were billed as 180. To 80, then a late one of 5, then to 70: one credit of what 75 cost less."""
    caller, _ = await billed_may(company)
    first = (await correct(caller, "may", "80"))["adjustment"]
    assert (first["number"], first["status"], first["reason"], first["total"]) == (
        None,
        "DRAFT",
        "ADJUSTMENT",
        {"amount": -20},
    )
    await used(caller, "late", "5", "2026-05-20T00:00:00Z")
    second = (await correct(caller, "may", "70"))["adjustment"]
    assert second["lineItems"] == [{"description": "calls: 75 used, billed as 90", "amount": {"amount": -30}}]
    assert (await run(caller), await run(caller)) == (1, 0)
    assert told(await invoices(caller))[1:] == [("ADJUSTMENT", "2026-05-01 > 2026-06-01", [("ADJUSTMENT", -30)])]
    assert (await caller.data(USAGE, period=MAY))["usage"]["total"] == "75"


async def test_a_correction_after_payment_is_the_customers_credit(company: Company) -> None:
    """The invoice of May is paid; the event is taken back: what it cost is credited, and stays with the customer."""
    caller, _ = await billed_may(company)
    nodes = (await caller.data("{ invoices { nodes { id } } }"))["invoices"]["nodes"]
    await caller.change("invoiceMarkPaid", {"invoiceId": nodes[0]["id"]}, "invoice { status }")
    taken_back = await correct(caller, "may", "0")
    assert taken_back["event"]["effectiveQuantity"] == "0"
    await advance(caller, "2026-06-03T00:05:00Z")
    (_, adjustment) = await invoices(caller)
    assert (adjustment["number"], adjustment["status"], adjustment["total"]["amount"]) == (
        "INV-2026-0002",
        "PAID",
        -180,
    )
    assert await statement(caller) == [
        ("CHARGE", 3280, 3280),
        ("PAYMENT", -3280, 0),
        ("CREDIT", -180, -180),
    ]


async def test_a_correction_of_a_correction_leaves_nothing_to_book(company: Company) -> None:
    """Down to 10 and back to 90: the draft is gone, no number is wasted, and both stand beside the event."""
    caller, _ = await billed_may(company)
    assert (await correct(caller, "may", "10"))["adjustment"] is not None
    back = await correct(caller, "may", "90")
    assert (back["adjustment"], back["event"]["effectiveQuantity"]) == (None, "90")
    assert [each["quantity"] for each in back["event"]["corrections"]] == ["10", "90"]
    assert await run(caller) == 0
    assert len(await invoices(caller)) == 1


async def test_a_correction_after_the_adjustment_is_booked_on_another(company: Company) -> None:
    """Once the run has finalized the first, the next run books what has changed since, and only that."""
    caller, _ = await billed_may(company)
    await correct(caller, "may", "120")
    await run(caller)
    assert (await correct(caller, "may", "100"))["adjustment"]["lineItems"] == [
        {"description": "calls: 100 used, billed as 120", "amount": {"amount": -30}}
    ]
    await run(caller)
    assert [each["total"]["amount"] for each in await invoices(caller)] == [3280, 50, -30]


async def test_a_draft_may_be_finalized_by_hand(company: Company) -> None:
    """Whoever does not want to wait for the run finalizes it; the run then finds nothing to book."""
    caller, _ = await billed_may(company)
    given = {"eventId": "may", "quantity": "100", "reason": "Retry"}
    made = await caller.change("usageCorrect", given, "adjustment { id }")
    await caller.change("invoiceFinalize", {"invoiceId": made["adjustment"]["id"]}, "invoice { number }")
    assert await run(caller) == 0
    assert [each["total"]["amount"] for each in await invoices(caller)] == [3280, 20]


async def test_a_draft_with_a_line_by_hand_keeps_it(company: Company) -> None:
    """Whoever adds a line to the draft finds it there when the run has drawn it up anew and finalized it."""
    caller, _ = await billed_may(company)
    made = await caller.change(
        "usageCorrect", {"eventId": "may", "quantity": "80", "reason": "Retry"}, "adjustment { id }"
    )
    by_hand = {"invoiceId": made["adjustment"]["id"], "description": "Handling", "unitPrice": "7"}
    await caller.change("invoiceLineItemAdd", by_hand, "invoice { id }")
    await correct(caller, "may", "85")
    await run(caller)
    (_, adjustment) = await invoices(caller)
    assert sorted((line["kind"], line["amount"]["amount"]) for line in adjustment["lineItems"]) == [
        ("ADJUSTMENT", -10),
        ("MANUAL", 7),
    ]


async def test_a_dry_run_shows_the_adjustment_and_stores_nothing(company: Company) -> None:
    """The draft, the event with its correction; afterwards there is neither."""
    caller, _ = await billed_may(company)
    shown = await correct(caller, "may", "80", dryRun=True)
    assert shown["adjustment"]["total"] == {"amount": -20}
    assert shown["event"]["effectiveQuantity"] == "80"
    found = await caller.data("{ usageEvents { nodes { effectiveQuantity corrections { quantity } } } }")
    assert found["usageEvents"]["nodes"] == [{"effectiveQuantity": "90", "corrections": []}]
    assert await run(caller) == 0


@pytest.mark.parametrize(
    ("correction", "why"),
    [
        ({"eventId": "nothing"}, ("NOT_FOUND", "eventId")),
        ({"source": "other"}, ("NOT_FOUND", "eventId")),
        ({"eventId": "waits"}, ("INVALID_STATE", "eventId")),
        ({"quantity": "-1"}, ("INVALID", "quantity")),
        ({"quantity": "0.0000000000001"}, ("INVALID", "quantity")),
        ({"quantity": "90"}, ("INVALID", "quantity")),
        ({"reason": " "}, ("INVALID", "reason")),
    ],
)
async def test_what_is_refused(company: Company, correction: dict[str, str], why: tuple[str, str]) -> None:
    """An event that is not there or waits, a quantity that is none or is the same, and no reason."""
    caller, _ = await billed_may(company)
    await caller.change("usageRecord", {"events": [{"eventId": "waits", "meter": "later"}]}, "unmatched")
    given = {"eventId": "may", "quantity": "5", "reason": "Retry", **correction}
    assert refusal(await caller.attempt("usageCorrect", given, EVENT)) == why


async def test_who_sends_usage_may_not_take_it_back(company: Company, founder: Founder) -> None:
    """usage:correct is a scope of its own: billing and developers hold it, ingest does not."""
    caller, _ = await billed_may(company)
    given = {"eventId": "may", "quantity": "5", "reason": "Retry"}
    sender = await founder.colleague(caller, Role.INGEST)
    denied = await sender.ask(
        "mutation($input: UsageCorrectInput!) { usageCorrect(input: $input) { event { id } } }", input=given
    )
    assert denied["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    developer = await founder.colleague(caller, Role.DEVELOPER)
    made = await developer.change("usageCorrect", given, "adjustment { status }")
    assert made["adjustment"] == {"status": "DRAFT"}


@pytest.mark.parametrize(
    ("aggregation", "quantity", "amount"),
    [("COUNT", "0", -1), ("COUNT", "3", None), ("SUM", "0", -9), ("MAX", "0", -3), ("MIN", "8", 2), ("AVG", "0", -2),
     ("LATEST", "0", -3)],
)  # fmt: skip
async def test_whatever_the_aggregation_a_correction_counts_anew(
    company: Company, aggregation: str, quantity: str, amount: int | None
) -> None:
    """6 then 9 were used in May, and one of them is corrected: what is taken back is not 0, it is not there."""
    caller = await company("2026-05-01T00:00:00Z")
    await meter(caller, aggregation=aggregation)
    await plan(caller, "pro", 0, soft_quota("calls"))
    await subscription(caller)
    await advance(caller, "2026-05-20T00:00:00Z")
    await used(caller, "six", "6", "2026-05-18T12:00:00Z")
    await used(caller, "nine", "9", "2026-05-19T12:00:00Z")
    await advance(caller, "2026-06-02T00:00:00Z")
    corrected = await correct(caller, "six" if aggregation == "MIN" else "nine", quantity)
    assert (corrected["adjustment"] and corrected["adjustment"]["total"]["amount"]) == amount
