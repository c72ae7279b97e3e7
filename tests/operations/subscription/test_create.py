"""subscription.create."""

from typing import Any

import asyncpg
import pytest

from tests.caller import Caller
from tests.operations.steps import (
    codes,
    customer,
    fingerprint,
    meter,
    plan,
    refusal,
    send,
    set_clock,
    soft_quota,
    subscription,
)
from tests.stories.telling import invoices, told

SELECT = """subscription { status quantity billingAnchor currentPeriod { start end } version metadata createdAt
plan { key version } customer { isDefault } cancelAt endedAt }"""


async def test_a_subscription_begins_now_for_the_organization_itself(tester: Caller) -> None:
    """Left out, the customer is the default one, the plan's newest active version, the start and the anchor now."""
    await plan(tester)
    made = await tester.change("subscriptionCreate", {"planKey": "pro"}, SELECT)
    assert made["subscription"] == {
        "status": "ACTIVE",
        "quantity": 1,
        "billingAnchor": "2026-05-20T00:00:00Z",
        "currentPeriod": {"start": "2026-05-20T00:00:00Z", "end": "2026-06-20T00:00:00Z"},
        "version": 1,
        "metadata": {},
        "createdAt": "2026-05-20T00:00:00Z",
        "plan": {"key": "pro", "version": 1},
        "customer": {"isDefault": True},
        "cancelAt": None,
        "endedAt": None,
    }


@pytest.mark.parametrize(
    ("start", "anchor", "period"),
    [
        ("2026-05-20T00:00:00Z", None, ("2026-05-20T00:00:00Z", "2026-06-20T00:00:00Z")),
        # In the past: the current period is the one that is running.
        ("2026-01-31T00:00:00Z", None, ("2026-04-30T00:00:00Z", "2026-05-31T00:00:00Z")),
        ("2021-06-01T00:00:00Z", None, ("2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z")),
        # In the future: its first period.
        ("2026-08-15T12:30:00Z", None, ("2026-08-15T12:30:00Z", "2026-09-15T12:30:00Z")),
        # An anchor after the start, or before it, leaves a stub first.
        ("2026-05-20T00:00:00Z", "2026-06-01T00:00:00Z", ("2026-05-20T00:00:00Z", "2026-06-01T00:00:00Z")),
        ("2026-05-20T00:00:00Z", "2026-01-31T00:00:00Z", ("2026-05-20T00:00:00Z", "2026-05-31T00:00:00Z")),
        # The anchor and the start agree on a day: no stub.
        ("2026-05-20T00:00:00Z", "2024-02-20T00:00:00Z", ("2026-05-20T00:00:00Z", "2026-06-20T00:00:00Z")),
    ],
)
async def test_periods_are_counted_from_the_anchor_and_cut_by_the_start(
    tester: Caller, start: str, anchor: str | None, period: tuple[str, str]
) -> None:
    """Month ends are clamped from the anchor (M46); the first period begins with the subscription."""
    await plan(tester)
    made = await tester.change(
        "subscriptionCreate", {"planKey": "pro", "startAt": start, "billingAnchor": anchor}, SELECT
    )
    assert tuple(made["subscription"]["currentPeriod"].values()) == period


@pytest.mark.parametrize(
    ("anchor", "amount", "note"),
    [
        # 12 of the 31 days from 1 May to 1 June: 9900 x 12/31 = 3832.26
        ("2026-06-01T00:00:00Z", 3832, "Prorated: started on 2026-05-20 (12 of 31 days)"),
        # 11 of the 31 days from 30 April (31 is clamped) to 31 May: 9900 x 11/31 = 3512.90
        ("2026-01-31T00:00:00Z", 3513, "Prorated: started on 2026-05-20 (11 of 31 days)"),
        # 18 hours of 30 days: 9900 x 64,800/2,592,000 = 247.5
        ("2026-04-20T18:00:00Z", 248, "Prorated: started on 2026-05-20 (64,800 of 2,592,000 seconds)"),
        (None, 9900, None),
    ],
)
async def test_a_stub_period_is_prorated_by_the_second(
    tester: Caller, anchor: str | None, amount: int, note: str | None
) -> None:
    """The base fee of a part is the exact fraction of seconds, rounded once (M5)."""
    await plan(tester)
    subscription_id = await subscription(tester, billingAnchor=anchor)
    made = await tester.change(
        "invoiceGenerate",
        {"subscriptionId": subscription_id},
        "invoice { reason notes total { amount } lineItems { kind amount { amount } } }",
    )
    assert made["invoice"] == {
        "reason": "PERIOD",
        "notes": note,
        "total": {"amount": amount},
        "lineItems": [{"kind": "BASE_FEE", "amount": {"amount": amount}}],
    }


async def test_seats_multiply_the_base_fee(tester: Caller) -> None:
    """The line's quantity is the seats; 7 seats at 9900 cost 69300."""
    await plan(tester)
    made = await tester.change(
        "invoiceGenerate",
        {"subscriptionId": await subscription(tester, quantity=7)},
        "invoice { lineItems { quantity unitPrice amount { amount } } }",
    )
    assert made["invoice"]["lineItems"] == [{"quantity": "7", "unitPrice": "9900", "amount": {"amount": 69300}}]


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ({"quantity": 0}, "INVALID", "quantity"),
        ({"quantity": -1}, "INVALID", "quantity"),
        ({"quantity": 1_000_001}, "INVALID", "quantity"),
        ({"planKey": "unknown"}, "NOT_FOUND", "planKey"),
        ({"planKey": ""}, "NOT_FOUND", "planKey"),
        ({"planVersion": 2}, "NOT_FOUND", "planKey"),
        ({"planVersion": -1}, "NOT_FOUND", "planKey"),
        ({"planKey": "draft"}, "NOT_FOUND", "planKey"),
        ({"planKey": "draft", "planVersion": 1}, "INVALID_STATE", "planVersion"),
        ({"planKey": "archived"}, "NOT_FOUND", "planKey"),
        ({"planKey": "archived", "planVersion": 1}, "INVALID_STATE", "planVersion"),
        ({"planKey": "euro"}, "CURRENCY_MISMATCH", "planKey"),
        ({"customerId": "cus_01h455vb4pex5vsknk084sn02q"}, "NOT_FOUND", "customerId"),
        ({"customerId": "xyzzy"}, "NOT_FOUND", "customerId"),
        ({"startAt": "2021-05-15T00:00:00Z"}, "INVALID", "startAt"),
        ({"startAt": "2031-05-25T00:00:00Z"}, "INVALID", "startAt"),
        ({"startAt": "1000-01-01T00:00:00Z"}, "INVALID", "startAt"),
        ({"billingAnchor": "9999-12-31T23:59:59Z"}, "INVALID", "billingAnchor"),
        ({"metadata": {"k": "bell\x07"}}, "INVALID", "k"),
    ],
)
async def test_a_subscription_that_breaks_a_rule_is_refused_where_it_does(
    tester: Caller, administrator: asyncpg.Connection, given: dict[str, Any], code: str, path: str
) -> None:
    """Bounds of seats and instants, only ACTIVE versions, one currency, only the organization's own customers."""
    await plan(tester)
    await plan(tester, "euro", 9900, currency="EUR")
    for key in ("draft", "archived"):
        new = {"key": key, "name": key, "currency": "USD", "basePrice": 1}
        made = await tester.change("planCreate", new, "plan { id }")
        for field in ["planPublish", "planArchive"] if key == "archived" else []:
            await tester.change(field, {"planId": made["plan"]["id"]}, "plan { id }")
    before = await fingerprint(administrator, tester)
    refused = await tester.attempt("subscriptionCreate", {"planKey": "pro", **given}, "subscription { id }")
    assert refused["subscription"] is None
    assert refusal(refused) == (code, path)
    assert await fingerprint(administrator, tester) == before


async def test_the_bounds_of_seats_are_inside(tester: Caller) -> None:
    """1 and 1,000,000 seats are taken."""
    await plan(tester)
    assert await subscription(tester, quantity=1)
    assert await subscription(tester, quantity=1_000_000)


async def test_a_customer_pays_in_its_own_currency(tester: Caller) -> None:
    """A customer in EUR takes the plan in EUR and not the one in USD."""
    await plan(tester, "dollar")
    await plan(tester, "euro", currency="EUR")
    customer_id = await customer(tester, currency="EUR")
    assert await subscription(tester, "euro", customerId=customer_id)
    refused = await tester.attempt("subscriptionCreate", {"planKey": "dollar", "customerId": customer_id}, SELECT)
    assert codes(refused) == ["CURRENCY_MISMATCH"]


async def test_a_new_version_or_an_archived_one_moves_nobody(tester: Caller) -> None:
    """Who is on a version stays on it; the newest active version is for newcomers."""
    first = await plan(tester, "pro", 100)
    old = await subscription(tester)
    await plan(tester, "pro", 200)
    await tester.change("planArchive", {"planId": first}, "plan { id }")
    new = await subscription(tester)
    read = "query($id: ID!) { subscription(id: $id) { plan { version status } } }"
    assert (await tester.data(read, id=old))["subscription"]["plan"] == {"version": 1, "status": "ARCHIVED"}
    assert (await tester.data(read, id=new))["subscription"]["plan"] == {"version": 2, "status": "ACTIVE"}


@pytest.mark.parametrize(("days", "trial_end"), [(1, "2026-05-21"), (14, "2026-06-03"), (730, "2028-05-19")])
async def test_a_plans_trial_comes_first(tester: Caller, days: int, trial_end: str) -> None:
    """From 1 day to 730; until it ends the subscription is TRIALING, its current period is the trial, and its months
    are counted from the trial's end. Nothing is billed at once, in advance neither."""
    await plan(tester, trialDays=days, timing="IN_ADVANCE")
    made = await tester.change(
        "subscriptionCreate",
        {"planKey": "pro"},
        "subscription { status trialEnd billingAnchor currentPeriod { start end } plan { trialDays } } invoice { id }",
    )
    end = f"{trial_end}T00:00:00Z"
    assert made["subscription"] == {
        "status": "TRIALING",
        "trialEnd": end,
        "billingAnchor": end,
        "currentPeriod": {"start": "2026-05-20T00:00:00Z", "end": end},
        "plan": {"trialDays": days},
    }
    assert made["invoice"] is None


async def test_a_trials_days_are_days_of_the_wall_clock(tester: Caller) -> None:
    """Begun at 11 in Berlin before the clock goes forward, a trial of three days ends at 11 in Berlin."""
    zone = {"timeZone": "Europe/Berlin"}
    await tester.change("organizationUpdate", zone, "organization { id }")
    await plan(tester, trialDays=3)
    made = await tester.change(
        "subscriptionCreate", {"planKey": "pro", "startAt": "2026-03-27T10:00:00Z"}, "subscription { trialEnd }"
    )
    assert made["subscription"] == {"trialEnd": "2026-03-30T09:00:00Z"}


async def test_a_subscription_in_advance_is_billed_as_it_begins(tester: Caller) -> None:
    """Where it begins now the payload has the invoice, final: the base fee of the whole period, and no usage yet."""
    await meter(tester)
    await plan(tester, "pro", 3100, soft_quota("calls"), timing="IN_ADVANCE")
    made = await tester.change(
        "subscriptionCreate",
        {"planKey": "pro", "quantity": 2},
        "invoice { number status reason period { start end } lineItems { kind amount { amount } } dueAt }",
    )
    assert made["invoice"] == {
        "number": "INV-2026-0001",
        "status": "FINALIZED",
        "reason": "PERIOD",
        "period": {"start": "2026-05-20T00:00:00Z", "end": "2026-06-20T00:00:00Z"},
        "lineItems": [{"kind": "BASE_FEE", "amount": {"amount": 6200}}],
        "dueAt": "2026-06-19T00:00:00Z",
    }
    assert (await tester.change("billingRun", {}, "invoicesGenerated"))["invoicesGenerated"] == 0


@pytest.mark.parametrize(
    ("given", "billed"),
    [
        # 12 of the 31 days from 1 May to 1 June, at 100 a day.
        ({"billingAnchor": "2026-06-01T00:00:00Z"}, 1200),
        ({"startAt": "2026-05-20T00:00:00Z"}, 3100),
        ({"startAt": "2026-05-19T23:59:59Z"}, None),
        ({"startAt": "2026-05-20T00:00:01Z"}, None),
        ({"planKey": "arrears"}, None),
    ],
)
async def test_only_what_begins_now_in_advance_is_billed_at_once(
    tester: Caller, given: dict[str, Any], billed: int | None
) -> None:
    """A stub by its part; what began before is left to the run, what begins later or is billed in arrears waits."""
    await plan(tester, "pro", 3100, timing="IN_ADVANCE")
    await plan(tester, "arrears", 3100)
    made = await tester.change("subscriptionCreate", {"planKey": "pro", **given}, "invoice { total { amount } }")
    assert made["invoice"] == (None if billed is None else {"total": {"amount": billed}})


@pytest.mark.parametrize(
    ("timing", "expected"),
    [
        (
            "IN_ARREARS",
            [
                ("PERIOD", "2026-03-20 > 2026-04-20", [("BASE_FEE", 3100), ("USAGE", 0)]),
                ("PERIOD", "2026-04-20 > 2026-05-20", [("BASE_FEE", 3100), ("USAGE", 7)]),
            ],
        ),
        (
            "IN_ADVANCE",
            [
                ("PERIOD", "2026-03-20 > 2026-04-20", [("BASE_FEE", 3100)]),
                ("PERIOD", "2026-04-20 > 2026-05-20", [("BASE_FEE", 3100), ("USAGE", 0)]),
                ("PERIOD", "2026-05-20 > 2026-06-20", [("BASE_FEE", 3100), ("USAGE", 7)]),
            ],
        ),
    ],
)
async def test_the_next_run_bills_the_past_each_missed_period_once(
    tester: Caller, timing: str, expected: list[Any]
) -> None:
    """E12: begun two months ago, an invoice for each period, in order, with the usage of each; then nothing more."""
    await meter(tester)
    await plan(tester, "pro", 3100, soft_quota("calls"), timing=timing)
    made = await tester.change(
        "subscriptionCreate", {"planKey": "pro", "startAt": "2026-03-20T00:00:00Z"}, "invoice { number }"
    )
    assert made["invoice"] is None
    late = {"meter": "calls", "quantity": "7", "occurredAt": "2026-05-01T00:00:00Z"}
    assert await send(tester, late) == ["ACCEPTED"]
    run = "invoicesGenerated failures { message } remaining"
    first = await tester.change("billingRun", {}, run)
    assert (first["invoicesGenerated"], first["failures"], first["remaining"]) == (len(expected), [], 0)
    found = sorted(await invoices(tester), key=lambda invoice: invoice["number"])
    assert told(found) == expected
    assert [invoice["number"] for invoice in found] == [f"INV-2026-{n:04}" for n in range(1, len(expected) + 1)]
    assert (await tester.change("billingRun", {}, run))["invoicesGenerated"] == 0


async def test_a_trial_of_the_past_is_not_billed(tester: Caller, administrator: asyncpg.Connection) -> None:
    """Begun a month ago with two weeks of trial: the run bills from the trial's end, once its first month is over."""
    await plan(tester, "pro", 3100, trialDays=14)
    await subscription(tester, startAt="2026-04-20T00:00:00Z")
    assert (await tester.change("billingRun", {}, "invoicesGenerated"))["invoicesGenerated"] == 0
    await set_clock(administrator, tester, "2026-06-04T00:00:00Z")
    assert (await tester.change("billingRun", {}, "invoicesGenerated"))["invoicesGenerated"] == 1
    assert told(await invoices(tester)) == [("PERIOD", "2026-05-04 > 2026-06-04", [("BASE_FEE", 3100)])]
