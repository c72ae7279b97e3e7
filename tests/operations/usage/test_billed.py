"""Usage as it is billed: however it was sent, and however much it is."""

from typing import Any

import pytest

from tests.caller import Caller
from tests.operations.steps import codes, customer, meter, plan, send, soft_quota, subscription

LINES = (
    "invoice { lineItems { kind quantity amount { amount } explanation { used exact steps { description amount } } } }"
)
TIERS = [{"upTo": "1000", "unitPrice": "0.000000000007"}, {"upTo": "10000", "unitPrice": "10"}, {"unitPrice": "5"}]
ONE = [{"unitPrice": "0.029", "flatFee": 30}]
PRICES = [
    {"model": "PER_UNIT", "tiers": ONE},
    {"model": "GRADUATED", "tiers": TIERS},
    {"model": "VOLUME", "tiers": TIERS},
    {"model": "PACKAGE", "tiers": ONE, "packageSize": "7.5"},
    {"model": "PERCENTAGE", "tiers": ONE, "minimum": 40},
]


async def billed(caller: Caller, subscription_id: str) -> list[dict[str, Any]]:
    """The lines for a subscription's current period."""
    return (await caller.change("invoiceGenerate", {"subscriptionId": subscription_id}, LINES))["invoice"]["lineItems"]


async def test_it_does_not_matter_how_usage_was_sent(tester: Caller) -> None:
    """One event of the total, and forty parts of it in several calls and any order, give the same lines (M2, M36)."""
    await meter(tester)
    features = [{**soft_quota("calls", "10.5", key=price["model"].lower()), "price": price} for price in PRICES]
    await plan(tester, "pro", 0, *features)
    parts = [f"{number * 17}.{number:012}" for number in range(1, 41)]  # 13,940 calls and 820 parts of 10^12
    lines = []
    for name, sent in (("whole", ["13940.000000000820"]), ("parts", parts)):
        whose = await customer(tester, name)
        subscription_id = await subscription(tester, customerId=whose)
        events = [
            {"eventId": f"{name}-{number}", "meter": "calls", "customerId": whose, "quantity": quantity}
            for number, quantity in enumerate(sent)
        ]
        for some in (events[20:], events[:25]):  # some of them twice
            await send(tester, *reversed(some))
        lines.append(await billed(tester, subscription_id))
    assert lines[0] == lines[1]
    assert {line["explanation"]["used"] for line in lines[0][1:]} == {"13940.00000000082"}


@pytest.mark.parametrize(
    ("price", "amount"),
    [
        ({"model": "PER_UNIT", "tiers": [{"unitPrice": "0.000000000001"}]}, 1_000_000),
        ({"model": "PER_UNIT", "tiers": [{"unitPrice": "9007199254740991"}], "maximum": 4242}, 4242),
        (
            {
                "model": "GRADUATED",
                "tiers": [{"upTo": "999999999999999999", "unitPrice": "0"}, {"unitPrice": "77"}],
            },
            77,
        ),
        ({"model": "PACKAGE", "packageSize": "1000000000000000000", "tiers": [{"unitPrice": "9"}]}, 9),
    ],
)
async def test_a_thousand_of_the_largest_events_are_billed(tester: Caller, price: dict[str, Any], amount: int) -> None:
    """What usage.record takes, invoice.generate prices: to the last unit of 10^18."""
    await meter(tester)
    await plan(tester, "pro", 0, {**soft_quota("calls"), "price": price})
    subscription_id = await subscription(tester)
    await send(tester, *({"meter": "calls", "quantity": "1000000000000000"} for _ in range(1000)))
    (_, line) = await billed(tester, subscription_id)
    assert (line["quantity"], line["amount"]["amount"]) == ("1000000000000000000", amount)


async def test_usage_beyond_what_a_line_can_bear_is_said_to_be(tester: Caller) -> None:
    """Where the amount, not the quantity, passes 2^53-1, invoice and preview say why, and nothing is stored (M4)."""
    await meter(tester)
    await plan(tester, "pro", 0, soft_quota("calls", unit_price="10"))
    subscription_id = await subscription(tester)
    await send(tester, {"meter": "calls", "quantity": "1000000000000000"})
    refused = await tester.attempt("invoiceGenerate", {"subscriptionId": subscription_id}, "invoice { id }")
    preview = await tester.ask(
        "query($id: ID!) { subscription(id: $id) { upcomingInvoice { total { amount } } } }", id=subscription_id
    )
    assert codes(refused) == ["INVALID"]
    message = refused["userErrors"][0]["message"]
    assert message.startswith("1,000,000,000,000,000 units cost more than 9,007,199,254,740,991 minor units")
    assert [(error["extensions"]["code"], error["message"]) for error in preview["errors"]] == [
        ("BAD_USER_INPUT", message)
    ]
    assert (await tester.data("{ invoices { totalCount } }"))["invoices"]["totalCount"] == 0
