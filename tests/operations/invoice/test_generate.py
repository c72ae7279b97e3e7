"""invoice.generate: a DRAFT of a subscription's period, or empty."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.caller import Caller
from tests.operations.steps import codes, customer, meter, plan, refusal, send, soft_quota, subscription

LINES = """invoice { lineItems { kind featureKey quantity unitPrice amount { amount } explanation {
used included billable exact rounding plan { key version } steps { quantity unitPrice amount } } } total { amount } }"""


def priced(key: str, meter_key: str, model: str, tiers: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    price = {"model": model, "tiers": tiers, **more}
    return {"key": key, "name": key, "type": "METERED", "meter": meter_key, "price": price}


@pytest.mark.parametrize(
    ("used", "included", "unit_price", "amount"),
    [
        # requirements E7, overage at $0.001 (0.1 of a cent) and at 200 of M1's units (2 cents)
        ("35000", "50000", "0.1", 0),
        ("55000", "50000", "0.1", 500),
        ("7", "10", "2", 0),
        ("15", "10", "2", 10),
        ("1000", "0", "0.1", 100),  # rounded once: per unit it would be 0
        ("5", "0", "0.1", 1),  # half away from zero (M7)
        ("4", "0", "0.1", 0),
        ("1000000", "0", "0.000015", 15),  # $0.15 per million (M3)
    ],
)
async def test_overage_is_what_is_beyond_the_included_units_rounded_once(
    tester: Caller, used: str, included: str, unit_price: str, amount: int
) -> None:
    """E7: max(0, used - included) x price, to a millionth of a cent; the line is there even at 0 (E10, M1, M3)."""
    await meter(tester)
    await plan(tester, "pro", 9900, soft_quota("calls", included, unit_price))
    subscription_id = await subscription(tester)
    await send(tester, {"meter": "calls", "quantity": used})
    made = await tester.change("invoiceGenerate", {"subscriptionId": subscription_id}, LINES)
    base, usage = made["invoice"]["lineItems"]
    assert (base["kind"], base["amount"]["amount"]) == ("BASE_FEE", 9900)
    assert (usage["kind"], usage["featureKey"], usage["amount"]["amount"]) == ("USAGE", "calls", amount)
    assert made["invoice"]["total"]["amount"] == 9900 + amount
    why = usage["explanation"]
    assert (why["used"], why["included"], why["plan"]) == (used, included, {"key": "pro", "version": 1})


@pytest.mark.parametrize(("used", "amount"), [(1000, 0), (1001, 10), (10000, 90000), (10001, 90005), (25000, 165000)])
async def test_tiers_have_inclusive_upper_bounds(tester: Caller, used: int, amount: int) -> None:
    """D10, M2, M35: up to 1000 at 0, up to 10000 at 10, the rest at 5; 25,000 give 165,000 minor units."""
    tiers = [{"upTo": "1000", "unitPrice": "0"}, {"upTo": "10000", "unitPrice": "10"}, {"unitPrice": "5"}]
    await meter(tester)
    await plan(tester, "pro", 0, priced("api-calls", "calls", "GRADUATED", tiers))
    subscription_id = await subscription(tester)
    await send(tester, {"meter": "calls", "quantity": str(used)})
    made = await tester.change("invoiceGenerate", {"subscriptionId": subscription_id}, LINES)
    line = made["invoice"]["lineItems"][1]
    assert line["amount"]["amount"] == amount
    assert sum(int(step["amount"]) for step in line["explanation"]["steps"]) == amount


async def test_each_kind_of_feature_has_its_line_or_none(tester: Caller) -> None:
    """E10: METERED and SOFT QUOTA have one even at 0; BOOLEAN and HARD have none."""
    await meter(tester)
    features = [
        {"key": "sso", "name": "SSO", "type": "BOOLEAN"},
        {"key": "hard", "name": "Hard", "type": "QUOTA", "enforcement": "HARD", "meter": "calls", "included": "1"},
        soft_quota("calls", key="soft"),
        priced("metered", "calls", "PER_UNIT", [{"unitPrice": "7"}]),
    ]
    await plan(tester, "pro", 0, *features)
    subscription_id = await subscription(tester)
    made = await tester.change("invoiceGenerate", {"subscriptionId": subscription_id}, LINES)
    lines = [(line["kind"], line["featureKey"], line["amount"]["amount"]) for line in made["invoice"]["lineItems"]]
    assert lines == [("BASE_FEE", None, 0), ("USAGE", "soft", 0), ("USAGE", "metered", 0)]


async def test_a_preview_is_what_the_invoice_then_is(tester: Caller) -> None:
    """upcomingInvoice and invoiceGenerate give the same lines, and the preview stores nothing."""
    await meter(tester)
    await plan(tester, "pro", 2900, soft_quota("calls", "3", "0.7"))
    subscription_id = await subscription(tester, billingAnchor="2026-05-27T00:00:00Z")
    await send(tester, {"meter": "calls", "quantity": "12.5"})
    lines = LINES.removeprefix("invoice ")
    read = f"query($id: ID!) {{ subscription(id: $id) {{ upcomingInvoice {lines} }} invoices {{ totalCount }} }}"
    preview = await tester.data(read, id=subscription_id)
    made = await tester.change("invoiceGenerate", {"subscriptionId": subscription_id}, LINES)
    assert preview == {"subscription": {"upcomingInvoice": made["invoice"]}, "invoices": {"totalCount": 0}}


async def test_a_past_period_is_billed_by_what_was_used_in_it(
    tester: Caller, administrator: asyncpg.Connection
) -> None:
    """Each of a subscription's periods can be billed once; half-open, usage falls into exactly one."""
    await meter(tester)
    await plan(tester, "pro", 0, soft_quota("calls"))
    subscription_id = await subscription(tester, startAt="2026-04-20T00:00:00Z")
    await send(
        tester,
        {"meter": "calls", "quantity": "1", "occurredAt": "2026-04-20T00:00:00Z"},
        {"meter": "calls", "quantity": "20", "occurredAt": "2026-05-19T23:59:59.999999Z"},
        {"meter": "calls", "quantity": "300", "occurredAt": "2026-05-20T00:00:00Z"},
    )
    totals = []
    for start, end in [("2026-04-20", "2026-05-20"), ("2026-05-20", "2026-06-20"), ("2026-06-20", "2026-07-20")]:
        period = {"start": f"{start}T00:00:00Z", "end": f"{end}T00:00:00Z"}
        made = await tester.change("invoiceGenerate", {"subscriptionId": subscription_id, "period": period}, LINES)
        totals.append(made["invoice"]["total"]["amount"])
    assert totals == [21, 300, 0]


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ({"period": {"start": "2026-05-20T00:00:00Z", "end": "2026-06-19T00:00:00Z"}}, "INVALID", "period"),
        ({"period": {"start": "2026-05-21T00:00:00Z", "end": "2026-06-20T00:00:00Z"}}, "INVALID", "period"),
        ({"period": {"start": "2026-04-20T00:00:00Z", "end": "2026-05-20T00:00:00Z"}}, "INVALID", "period"),
        ({"period": {"start": "2026-05-20T00:00:00Z", "end": "2026-05-20T00:00:00Z"}}, "INVALID", "period"),
        ({"period": {"start": "1000-01-01T00:00:00Z", "end": "9999-12-31T00:00:00Z"}}, "INVALID", None),
        ({"period": {"start": "9999-12-01T00:00:00Z", "end": "9999-12-31T00:00:00Z"}}, "INVALID", None),
        ({"period": {"start": "2026-06-20T00:00:00Z", "end": "2026-05-20T00:00:00Z"}}, "INVALID", "end"),
        ({"customerId": "cus_01h455vb4pex5vsknk084sn02q"}, "INVALID", "customerId"),
        ({"subscriptionId": "sub_01h455vb4pex5vsknk084sn02q"}, "NOT_FOUND", "subscriptionId"),
        ({"subscriptionId": None, "customerId": "xyzzy"}, "NOT_FOUND", "customerId"),
        (
            {"subscriptionId": None, "period": {"start": "2026-05-20T00:00:00Z", "end": "2026-06-20T00:00:00Z"}},
            "INVALID",
            "period",
        ),
        ({"notes": ""}, "INVALID", "notes"),
        ({"notes": "x" * 2001}, "INVALID", "notes"),
    ],
)
async def test_a_draft_that_breaks_a_rule_is_refused_where_it_does(
    tester: Caller, given: dict[str, Any], code: str, path: str | None
) -> None:
    """Only the subscription's own periods, one of subscription and customer, only what is there."""
    await plan(tester)
    subscription_id = await subscription(tester)
    payload = await tester.attempt("invoiceGenerate", {"subscriptionId": subscription_id, **given}, "invoice { id }")
    assert payload["invoice"] is None
    assert codes(payload) == [code]
    if path is not None:
        assert refusal(payload) == (code, path)


async def test_an_empty_draft_is_for_the_customer_that_is_named(tester: Caller) -> None:
    """In that customer's currency (M45); the default customer where none is named."""
    customer_id = await customer(tester, currency="JPY")
    select = """invoice { customer { id isDefault } subscription { id } reason total { amount currency } notes
    lineItems { id } }"""
    made = await tester.change("invoiceGenerate", {"customerId": customer_id, "notes": "Danke \n bis bald"}, select)
    assert made["invoice"] == {
        "customer": {"id": customer_id, "isDefault": False},
        "subscription": None,
        "reason": "MANUAL",
        "total": {"amount": 0, "currency": "JPY"},
        "notes": "Danke \n bis bald",
        "lineItems": [],
    }
    assert (await tester.change("invoiceGenerate", {}, select))["invoice"]["customer"]["isDefault"] is True


async def test_twenty_who_draft_one_period_at_once_make_one(tester: Caller) -> None:
    """One draft, nineteen times ALREADY_EXISTS (D9)."""
    await plan(tester)
    period = {"subscriptionId": await subscription(tester)}
    answers = await asyncio.gather(*(tester.attempt("invoiceGenerate", period, "invoice { id }") for _ in range(20)))
    assert sorted(codes(answer) for answer in answers) == [[]] + [["ALREADY_EXISTS"]] * 19


async def test_an_amount_beyond_the_bounds_is_refused_and_nothing_is_stored(tester: Caller) -> None:
    """A million seats at the largest price pass 2^53-1: refused on the invoice, bad input in the preview (M4)."""
    await plan(tester, "pro", 2**53 - 1)
    subscription_id = await subscription(tester, quantity=1_000_000)
    refused = await tester.attempt("invoiceGenerate", {"subscriptionId": subscription_id}, "invoice { id }")
    assert codes(refused) == ["INVALID"]
    answer = await tester.ask(
        "query($id: ID!) { subscription(id: $id) { upcomingInvoice { total { amount } } } }", id=subscription_id
    )
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_USER_INPUT"]
    assert (await tester.data("{ invoices { totalCount } }"))["invoices"]["totalCount"] == 0
