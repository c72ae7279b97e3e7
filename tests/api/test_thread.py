"""The thread: from a partner's first mutation to a paid invoice on a dashboard."""

from typing import Any

import pytest

from tests.caller import Caller

PRICE = {"model": "PER_UNIT", "tiers": [{"unitPrice": "0.1"}]}
FEATURE = {
    "key": "calls",
    "name": "API calls",
    "type": "QUOTA",
    "enforcement": "SOFT",
    "meter": "api-calls",
    "included": "50000",
    "price": PRICE,
}


async def subscribed(caller: Caller) -> dict[str, Any]:
    """A meter, a published plan at 9900 with 50,000 calls included, and a subscription to it."""
    await caller.change("meterCreate", {"key": "api-calls", "name": "Calls", "aggregation": "SUM"}, "meter { id }")
    plan = {"key": "pro", "name": "Pro", "currency": "USD", "basePrice": 9900, "features": [FEATURE]}
    made = await caller.change("planCreate", plan, "plan { id }")
    await caller.change("planPublish", {"planId": made["plan"]["id"]}, "plan { status }")
    payload = await caller.change("subscriptionCreate", {"planKey": "pro"}, "subscription { id status }")
    return payload["subscription"]


async def used(caller: Caller, quantity: int) -> dict[str, Any]:
    """Record that many calls in ten events; the same events each time."""
    events = [{"eventId": f"e-{n}", "meter": "api-calls", "quantity": str(quantity // 10)} for n in range(10)]
    return await caller.change("usageRecord", {"events": events}, "accepted duplicates unmatched rejected")


@pytest.mark.parametrize(
    ("quantity", "overage"),
    [
        (35_000, 0),
        (55_000, 500),
    ],
)
async def test_an_invoice_bills_the_base_price_and_what_is_beyond_the_included_units(
    owner: Caller, quantity: int, overage: int
) -> None:
    """E7: 35,000 of 50,000 cost nothing more, 55,000 cost 500; the line is there either way (E10)."""
    subscription = await subscribed(owner)
    await used(owner, quantity)
    made = await owner.change(
        "invoiceGenerate",
        {"subscriptionId": subscription["id"]},
        "invoice { status number total { amount } lineItems { kind amount { amount } } }",
    )
    assert made["invoice"] == {
        "status": "DRAFT",
        "number": None,
        "total": {"amount": 9900 + overage},
        "lineItems": [
            {"kind": "BASE_FEE", "amount": {"amount": 9900}},
            {"kind": "USAGE", "amount": {"amount": overage}},
        ],
    }


async def test_the_same_events_sent_again_count_once(owner: Caller) -> None:
    """Identity is (organization, source, eventId)."""
    await subscribed(owner)
    first = await used(owner, 35_000)
    again = await used(owner, 35_000)
    assert (first["accepted"], first["duplicates"]) == (10, 0)
    assert (again["accepted"], again["duplicates"]) == (0, 10)


async def test_an_invoice_is_numbered_charged_paid_and_then_final(owner: Caller) -> None:
    """DRAFT > FINALIZED > PAID with a CHARGE and a PAYMENT that end in a balance of 0."""
    subscription = await subscribed(owner)
    draft = await owner.change("invoiceGenerate", {"subscriptionId": subscription["id"]}, "invoice { id }")
    invoice_id = draft["invoice"]["id"]
    select = "invoice { number status ledgerEntries { nodes { type debit { amount } credit { amount } } } }"
    final = (await owner.change("invoiceFinalize", {"invoiceId": invoice_id}, select))["invoice"]
    assert final["number"].startswith("INV-20")
    assert final["number"].endswith("-0001")
    assert final["ledgerEntries"]["nodes"] == [{"type": "CHARGE", "debit": {"amount": 9900}, "credit": {"amount": 0}}]
    select = "invoice { status paymentState customer { balances { amount } } }"
    paid = (await owner.change("invoiceMarkPaid", {"invoiceId": invoice_id}, select))["invoice"]
    assert paid == {"status": "PAID", "paymentState": "PAID", "customer": {"balances": [{"amount": 0}]}}
    again = await owner.attempt("invoiceFinalize", {"invoiceId": invoice_id}, "invoice { id }")
    assert [error["code"] for error in again["userErrors"]] == ["INVALID_STATE"]
