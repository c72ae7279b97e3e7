"""subscription.change_plan: seats and plans, once and twice in a period, before and after it begins, and refusals.

Basic costs 9300 a month and Pro 18600: 300 and 600 a day in May (31 days), 310 and 620 in June (30 days).
"""

from typing import Any

import asyncpg
import pytest

from app.store.tables.organization import Mode
from tests.caller import Caller, Founder
from tests.operations.steps import (
    codes,
    draft,
    fingerprint,
    instant,
    meter,
    plan,
    refusal,
    send,
    soft_quota,
    subscription,
)
from tests.stories.telling import advance, invoices, statement, told

MAY, JUNE, JULY = "2026-05-01 > 2026-06-01", "2026-06-01 > 2026-07-01", "2026-07-01 > 2026-08-01"
SELECT = "subscription { status version quantity plan { key version } currentPeriod { start end } } invoice { number }"

Told = list[Any]


@pytest.fixture
async def caller(founder: Founder) -> Caller:
    """A TEST organization on 1 May 2026 with a meter and the plans `basic` and `pro`, in arrears and in advance."""
    made = await founder.organization(mode=Mode.TEST, test_clock=instant("2026-05-01T00:00:00Z"))
    await meter(made)
    for suffix, timing in (("", "IN_ARREARS"), ("-early", "IN_ADVANCE")):
        await plan(made, f"basic{suffix}", 9300, soft_quota("calls", unit_price="1"), timing=timing)
        await plan(made, f"pro{suffix}", 18600, soft_quota("calls", unit_price="2"), timing=timing)
    return made


async def change(caller: Caller, subscription_id: str, plan_key: str, **more: Any) -> dict[str, Any]:
    return await caller.change(
        "subscriptionChangePlan", {"subscriptionId": subscription_id, "planKey": plan_key, **more}, SELECT
    )


async def use(caller: Caller, quantity: int) -> None:
    """So many calls now; each day has an event of its own."""
    now = (await caller.data("{ organization { testClock } }"))["organization"]["testClock"]
    assert await send(caller, {"eventId": now, "meter": "calls", "quantity": str(quantity)}) == ["ACCEPTED"]


@pytest.mark.parametrize(
    ("suffix", "proration", "expected"),
    [
        (
            "",
            "PRORATE_NEXT",
            [
                ("PERIOD", MAY, [("PRORATION", 15000), ("BASE_FEE", 50400), ("USAGE", 12)]),
                ("PERIOD", JUNE, [("BASE_FEE", 74400), ("USAGE", 0)]),
            ],
        ),
        (
            "",
            "PRORATE_NOW",
            [
                ("PLAN_CHANGE", "2026-05-01 > 2026-05-11", [("PRORATION", 15000)]),
                ("PERIOD", MAY, [("BASE_FEE", 50400), ("USAGE", 12)]),
                ("PERIOD", JUNE, [("BASE_FEE", 74400), ("USAGE", 0)]),
            ],
        ),
        (
            "-early",
            "PRORATE_NEXT",
            [
                ("PERIOD", MAY, [("BASE_FEE", 46500)]),
                ("PERIOD", JUNE, [("BASE_FEE", 74400), ("PRORATION", -31500), ("PRORATION", 50400), ("USAGE", 12)]),
                ("PERIOD", JULY, [("BASE_FEE", 74400), ("USAGE", 0)]),
            ],
        ),
        (
            "-early",
            "PRORATE_NOW",
            [
                ("PERIOD", MAY, [("BASE_FEE", 46500)]),
                ("PLAN_CHANGE", "2026-05-11 > 2026-06-01", [("PRORATION", -31500), ("PRORATION", 50400)]),
                ("PERIOD", JUNE, [("BASE_FEE", 74400), ("USAGE", 12)]),
                ("PERIOD", JULY, [("BASE_FEE", 74400), ("USAGE", 0)]),
            ],
        ),
    ],
)
async def test_only_the_seats(caller: Caller, suffix: str, proration: str, expected: Told) -> None:
    """From 5 to 8 on 11 May: ten days of 5 seats, 21 of 8; the plan is the same, so its usage is one line."""
    subscription_id = await subscription(caller, f"basic{suffix}", quantity=5)
    await use(caller, 5)
    await advance(caller, "2026-05-11T00:00:00Z")
    changed = await change(caller, subscription_id, f"basic{suffix}", quantity=8, proration=proration)
    assert (changed["subscription"]["quantity"], changed["subscription"]["version"]) == (8, 2)
    await use(caller, 7)
    await advance(caller, "2026-07-01T00:00:00Z")
    assert told(await invoices(caller)) == expected


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [
        (
            "",
            [
                ("PERIOD", MAY, [("PRORATION", 6000), ("BASE_FEE", 6300), ("USAGE", 10), ("USAGE", 7)]),
                ("PERIOD", JUNE, [("BASE_FEE", 9300), ("USAGE", 0)]),
            ],
        ),
        (
            "-early",
            [
                ("PERIOD", MAY, [("BASE_FEE", 18600)]),
                (
                    "PERIOD",
                    JUNE,
                    [("BASE_FEE", 9300), ("PRORATION", -12600), ("PRORATION", 6300), ("USAGE", 10), ("USAGE", 7)],
                ),
                ("PERIOD", JULY, [("BASE_FEE", 9300), ("USAGE", 0)]),
            ],
        ),
    ],
)
async def test_a_downgrade(caller: Caller, suffix: str, expected: Told) -> None:
    """From Pro to Basic on 11 May: in advance the next invoice credits what Pro's 21 days had cost beyond Basic's."""
    subscription_id = await subscription(caller, f"pro{suffix}")
    await use(caller, 5)
    await advance(caller, "2026-05-11T00:00:00Z")
    changed = await change(caller, subscription_id, f"basic{suffix}")
    assert (changed["subscription"]["plan"]["key"], changed["invoice"]) == (f"basic{suffix}", None)
    await use(caller, 7)
    await advance(caller, "2026-07-01T00:00:00Z")
    assert told(await invoices(caller)) == expected


async def test_a_downgrade_that_is_settled_at_once_is_the_customers_credit(caller: Caller) -> None:
    """In advance, 21 days of Pro come back and 21 of Basic are charged: an invoice below 0, which pays on the next."""
    subscription_id = await subscription(caller, "pro-early")
    await advance(caller, "2026-05-11T00:00:00Z")
    await change(caller, subscription_id, "basic-early", proration="PRORATE_NOW")
    await advance(caller, "2026-06-01T00:00:00Z")
    found = await invoices(caller)
    assert told(found) == [
        ("PERIOD", MAY, [("BASE_FEE", 18600)]),
        ("PLAN_CHANGE", "2026-05-11 > 2026-06-01", [("PRORATION", -12600), ("PRORATION", 6300)]),
        ("PERIOD", JUNE, [("BASE_FEE", 9300), ("USAGE", 0), ("USAGE", 0)]),
    ]
    assert [(invoice["status"], invoice["total"]["amount"]) for invoice in found] == [
        ("FINALIZED", 18600),
        ("PAID", -6300),
        ("FINALIZED", 9300),
    ]
    assert await statement(caller) == [("CHARGE", 18600, 18600), ("CREDIT", -6300, 12300), ("CHARGE", 9300, 21600)]


async def test_a_change_while_paused_that_is_settled_at_once(caller: Caller) -> None:
    """What the pause has saved by now is credited with it; what it goes on to save, on the next invoice."""
    subscription_id = await subscription(caller, "basic-early")
    await advance(caller, "2026-05-11T00:00:00Z")
    paused = {"subscriptionId": subscription_id, "resumesAt": "2026-05-26T00:00:00Z"}
    await caller.change("subscriptionPause", paused, "subscription { status }")
    await advance(caller, "2026-05-21T00:00:00Z")
    await change(caller, subscription_id, "pro-early", proration="PRORATE_NOW")
    await caller.change("subscriptionResume", {"subscriptionId": subscription_id}, "subscription { status }")
    await advance(caller, "2026-06-01T00:00:00Z")
    assert told(await invoices(caller)) == [
        ("PERIOD", MAY, [("BASE_FEE", 9300)]),
        ("PLAN_CHANGE", "2026-05-21 > 2026-06-01", [("PRORATION", -6300), ("PRORATION", 3600)]),
        ("PERIOD", JUNE, [("BASE_FEE", 18600), ("PRORATION", 3000), ("USAGE", 0), ("USAGE", 0)]),
    ]


@pytest.mark.parametrize(
    ("suffix", "proration", "expected"),
    [
        (
            "",
            "PRORATE_NEXT",
            [
                (
                    "PERIOD",
                    MAY,
                    [("PRORATION", 3000), ("PRORATION", 6000), ("BASE_FEE", 13200), ("USAGE", 5), ("USAGE", 20)],
                )
            ],
        ),
        (
            "",
            "PRORATE_NOW",
            [
                ("PLAN_CHANGE", "2026-05-01 > 2026-05-11", [("PRORATION", 3000)]),
                ("PLAN_CHANGE", "2026-05-01 > 2026-05-21", [("PRORATION", 6000)]),
                ("PERIOD", MAY, [("BASE_FEE", 13200), ("USAGE", 5), ("USAGE", 20)]),
            ],
        ),
        (
            "",
            "RESET_PERIOD",
            [
                ("PLAN_CHANGE", "2026-05-01 > 2026-05-11", [("BASE_FEE", 3000), ("USAGE", 5)]),
                ("PLAN_CHANGE", "2026-05-11 > 2026-05-21", [("BASE_FEE", 6000), ("USAGE", 14)]),
            ],
        ),
        (
            "-early",
            "PRORATE_NEXT",
            [
                ("PERIOD", MAY, [("BASE_FEE", 9300)]),
                (
                    "PERIOD",
                    JUNE,
                    [
                        ("BASE_FEE", 37200),
                        ("PRORATION", -6300),
                        ("PRORATION", 6000),
                        ("PRORATION", 13200),
                        ("USAGE", 5),
                        ("USAGE", 20),
                    ],
                ),
            ],
        ),
        (
            "-early",
            "PRORATE_NOW",
            [
                ("PERIOD", MAY, [("BASE_FEE", 9300)]),
                ("PLAN_CHANGE", "2026-05-11 > 2026-06-01", [("PRORATION", -6300), ("PRORATION", 12600)]),
                ("PLAN_CHANGE", "2026-05-21 > 2026-06-01", [("PRORATION", -6600), ("PRORATION", 13200)]),
                ("PERIOD", JUNE, [("BASE_FEE", 37200), ("USAGE", 5), ("USAGE", 20)]),
            ],
        ),
        (
            "-early",
            "RESET_PERIOD",
            [
                ("PERIOD", MAY, [("BASE_FEE", 9300)]),
                (
                    "PLAN_CHANGE",
                    "2026-05-11 > 2026-06-11",
                    [("BASE_FEE", 18600), ("PRORATION", -6300), ("USAGE", 5)],
                ),
                (
                    "PLAN_CHANGE",
                    "2026-05-21 > 2026-06-21",
                    [("BASE_FEE", 37200), ("PRORATION", -12600), ("USAGE", 14)],
                ),
            ],
        ),
    ],
)
async def test_two_changes_in_one_period(caller: Caller, suffix: str, proration: str, expected: Told) -> None:
    """Basic for ten days, Pro for ten, two seats of Pro for eleven; Pro's usage is one line where its period is one."""
    subscription_id = await subscription(caller, f"basic{suffix}")
    await use(caller, 5)
    await advance(caller, "2026-05-11T00:00:00Z")
    await change(caller, subscription_id, f"pro{suffix}", proration=proration)
    await use(caller, 7)
    await advance(caller, "2026-05-21T00:00:00Z")
    await change(caller, subscription_id, f"pro{suffix}", quantity=2, proration=proration)
    await use(caller, 3)
    await advance(caller, "2026-06-01T00:00:00Z")
    assert told(await invoices(caller)) == expected


@pytest.mark.parametrize(
    ("suffix", "proration", "expected"),
    [
        (
            "",
            "PRORATE_NEXT",
            [
                (
                    "PERIOD",
                    MAY,
                    [("BASE_FEE", 3000), ("PRORATION", 6000), ("BASE_FEE", 3300), ("USAGE", 8), ("USAGE", 14)],
                )
            ],
        ),
        ("", "NONE", [("PERIOD", MAY, [("BASE_FEE", 9300), ("USAGE", 8), ("USAGE", 14)])]),
        (
            "-early",
            "PRORATE_NEXT",
            [
                ("PERIOD", MAY, [("BASE_FEE", 9300)]),
                (
                    "PERIOD",
                    JUNE,
                    [("BASE_FEE", 9300), ("PRORATION", -3000), ("PRORATION", 6000), ("USAGE", 8), ("USAGE", 14)],
                ),
            ],
        ),
        (
            "-early",
            "NONE",
            [
                ("PERIOD", MAY, [("BASE_FEE", 9300)]),
                ("PERIOD", JUNE, [("BASE_FEE", 9300), ("USAGE", 8), ("USAGE", 14)]),
            ],
        ),
    ],
)
async def test_a_change_back(caller: Caller, suffix: str, proration: str, expected: Told) -> None:
    """Pro from 11 to 21 May, Basic before and after: ten days of Pro, and Basic's usage of both parts is one line."""
    subscription_id = await subscription(caller, f"basic{suffix}")
    await use(caller, 5)
    await advance(caller, "2026-05-11T00:00:00Z")
    await change(caller, subscription_id, f"pro{suffix}", proration=proration)
    await use(caller, 7)
    await advance(caller, "2026-05-21T00:00:00Z")
    await change(caller, subscription_id, f"basic{suffix}", proration=proration)
    await use(caller, 3)
    await advance(caller, "2026-06-01T00:00:00Z")
    assert told(await invoices(caller)) == expected


@pytest.mark.parametrize(
    ("suffix", "proration", "expected"),
    [
        ("", "PRORATE_NOW", []),
        ("", "PRORATE_NEXT", []),
        ("", "NONE", None),
        ("", "RESET_PERIOD", []),
        ("-early", "PRORATE_NOW", [("PLAN_CHANGE", JUNE, [("PRORATION", -9300), ("PRORATION", 18600)])]),
        ("-early", "RESET_PERIOD", [("PLAN_CHANGE", JUNE, [("BASE_FEE", 18600), ("PRORATION", -9300)])]),
    ],
)
async def test_a_change_at_the_very_start_of_a_period(
    caller: Caller, suffix: str, proration: str, expected: Told | None
) -> None:
    """At midnight of 1 June: the whole of June is Pro's; where Basic was paid in advance, all of it is credited."""
    subscription_id = await subscription(caller, f"basic{suffix}")
    await advance(caller, "2026-06-01T00:00:00Z")
    before = await invoices(caller)
    await change(caller, subscription_id, f"pro{suffix}", proration=proration)
    assert told((await invoices(caller))[len(before) :]) == (expected or [])
    made = len(before) + len(expected or [])
    await advance(caller, "2026-07-01T00:00:00Z")
    fee = 9300 if proration == "NONE" else 18600
    last = (JULY, 18600) if suffix else (JUNE, fee)
    assert told((await invoices(caller))[made:]) == [("PERIOD", last[0], [("BASE_FEE", last[1]), ("USAGE", 0)])]


@pytest.mark.parametrize("proration", ["PRORATE_NOW", "PRORATE_NEXT", "RESET_PERIOD"])
@pytest.mark.parametrize(
    ("suffix", "expected"),
    [
        ("", [("PERIOD", JUNE, [("BASE_FEE", 18600), ("USAGE", 0)])]),
        ("-early", [("PERIOD", JUNE, [("BASE_FEE", 18600)]), ("PERIOD", JULY, [("BASE_FEE", 18600), ("USAGE", 0)])]),
    ],
)
async def test_a_change_before_it_begins(caller: Caller, suffix: str, proration: str, expected: Told) -> None:
    """It counts from the beginning, and nothing is billed for the plan that never was."""
    subscription_id = await subscription(caller, f"basic{suffix}", startAt="2026-06-01T00:00:00Z")
    await advance(caller, "2026-05-11T00:00:00Z")
    changed = await change(caller, subscription_id, f"pro{suffix}", proration=proration)
    assert changed["invoice"] is None
    assert changed["subscription"]["plan"]["key"] == f"pro{suffix}"
    assert changed["subscription"]["currentPeriod"] == {"start": "2026-06-01T00:00:00Z", "end": "2026-07-01T00:00:00Z"}
    await advance(caller, "2026-07-01T00:00:00Z")
    assert told(await invoices(caller)) == expected


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [
        ("", [("PERIOD", MAY, [("PRORATION", 3000), ("BASE_FEE", 3600), ("USAGE", 5), ("USAGE", 14)])]),
        (
            "-early",
            [
                ("PERIOD", MAY, [("BASE_FEE", 9300)]),
                (
                    "PERIOD",
                    JUNE,
                    [("BASE_FEE", 18600), ("PRORATION", -6300), ("PRORATION", 3600), ("USAGE", 5), ("USAGE", 14)],
                ),
            ],
        ),
    ],
)
async def test_a_change_while_paused(caller: Caller, suffix: str, expected: Told) -> None:
    """Paused from 11 to 26 May and changed on the 21st: ten days of Basic, six of Pro; usage by the plan in force."""
    subscription_id = await subscription(caller, f"basic{suffix}")
    await advance(caller, "2026-05-11T00:00:00Z")
    await caller.change("subscriptionPause", {"subscriptionId": subscription_id}, "subscription { status }")
    await use(caller, 5)
    await advance(caller, "2026-05-21T00:00:00Z")
    changed = await change(caller, subscription_id, f"pro{suffix}")
    assert changed["subscription"]["status"] == "PAUSED"
    await use(caller, 7)
    await advance(caller, "2026-05-26T00:00:00Z")
    await caller.change("subscriptionResume", {"subscriptionId": subscription_id}, "subscription { status }")
    await advance(caller, "2026-06-01T00:00:00Z")
    assert told(await invoices(caller)) == expected


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [
        (
            "",
            [
                ("PLAN_CHANGE", "2026-05-01 > 2026-05-21", [("PRORATION", 6000)]),
                ("PERIOD", MAY, [("BASE_FEE", 13200), ("USAGE", 5), ("USAGE", 14)]),
            ],
        ),
        (
            "-early",
            [
                ("PERIOD", MAY, [("BASE_FEE", 9300)]),
                ("PLAN_CHANGE", "2026-05-21 > 2026-06-01", [("PRORATION", -3300), ("PRORATION", 13200)]),
                ("PERIOD", JUNE, [("BASE_FEE", 37200), ("USAGE", 5), ("USAGE", 14)]),
            ],
        ),
    ],
)
async def test_a_change_without_money_and_then_one_with(caller: Caller, suffix: str, expected: Told) -> None:
    """Pro from 11 May by NONE, at Basic's fee; two seats from the 21st by PRORATE_NOW: that fee counts from there."""
    subscription_id = await subscription(caller, f"basic{suffix}")
    await use(caller, 5)
    await advance(caller, "2026-05-11T00:00:00Z")
    assert (await change(caller, subscription_id, f"pro{suffix}", proration="NONE"))["invoice"] is None
    await use(caller, 7)
    await advance(caller, "2026-05-21T00:00:00Z")
    await change(caller, subscription_id, f"pro{suffix}", quantity=2, proration="PRORATE_NOW")
    await advance(caller, "2026-06-01T00:00:00Z")
    assert told(await invoices(caller)) == expected


@pytest.mark.parametrize("proration", ["PRORATE_NOW", "PRORATE_NEXT", "NONE"])
async def test_a_change_while_trialing_to_a_plan_with_another_interval(caller: Caller, proration: str) -> None:
    """The trial lasts as promised; then the new plan's weeks begin, in its timing, and the old one costs nothing."""
    await plan(caller, "tried", 9300, trialDays=14)
    await plan(caller, "weekly", 700, interval="WEEK", timing="IN_ADVANCE")
    subscription_id = await subscription(caller, "tried")
    await advance(caller, "2026-05-05T00:00:00Z")
    changed = await change(caller, subscription_id, "weekly", proration=proration)
    assert changed == {
        "subscription": {
            "status": "TRIALING",
            "version": 2,
            "quantity": 1,
            "plan": {"key": "weekly", "version": 1},
            "currentPeriod": {"start": "2026-05-01T00:00:00Z", "end": "2026-05-15T00:00:00Z"},
        },
        "invoice": None,
        "userErrors": [],
    }
    await advance(caller, "2026-05-22T00:00:00Z")
    assert told(await invoices(caller)) == [
        ("PERIOD", "2026-05-15 > 2026-05-22", [("BASE_FEE", 700)]),
        ("PERIOD", "2026-05-22 > 2026-05-29", [("BASE_FEE", 700)]),
    ]


async def test_another_interval_begins_a_period_of_its_own(caller: Caller) -> None:
    """With RESET_PERIOD the month ends on 11 May and weeks are counted from there."""
    await plan(caller, "weekly", 700, interval="WEEK")
    subscription_id = await subscription(caller, "basic")
    await advance(caller, "2026-05-11T00:00:00Z")
    changed = await change(caller, subscription_id, "weekly", proration="RESET_PERIOD")
    assert changed["subscription"]["currentPeriod"] == {"start": "2026-05-11T00:00:00Z", "end": "2026-05-18T00:00:00Z"}
    await advance(caller, "2026-05-25T00:00:00Z")
    found = await invoices(caller)
    assert told(found) == [
        ("PLAN_CHANGE", "2026-05-01 > 2026-05-11", [("BASE_FEE", 3000), ("USAGE", 0)]),
        ("PERIOD", "2026-05-11 > 2026-05-18", [("BASE_FEE", 700)]),
        ("PERIOD", "2026-05-18 > 2026-05-25", [("BASE_FEE", 700)]),
    ]
    assert found[0]["notes"] == "Prorated: plan changed on 2026-05-11 (10 of 31 days)"


async def test_seats_change_on_an_archived_version(caller: Caller) -> None:
    """Who is on it may stay on it with other seats, by naming the version; left out, the newest active one is meant."""
    old = await plan(caller, "team", 9300)
    subscription_id = await subscription(caller, "team")
    await caller.change("planArchive", {"planId": old}, "plan { id }")
    refused = await caller.attempt(
        "subscriptionChangePlan", {"subscriptionId": subscription_id, "planKey": "team", "quantity": 2}, SELECT
    )
    assert refusal(refused) == ("NOT_FOUND", "planKey")
    changed = await change(caller, subscription_id, "team", planVersion=1, quantity=2)
    assert (changed["subscription"]["quantity"], changed["subscription"]["plan"]["version"]) == (2, 1)
    await plan(caller, "team", 18600)
    changed = await change(caller, subscription_id, "team")
    assert (changed["subscription"]["quantity"], changed["subscription"]["plan"]["version"]) == (2, 2)


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"subscriptionId": "sub_01h455vb4pex5vsknk084sn02q"}, "NOT_FOUND", "subscriptionId"),
    ({"subscriptionId": "xyzzy"}, "NOT_FOUND", "subscriptionId"),
    ({"planKey": "euro"}, "CURRENCY_MISMATCH", "planKey"),
    ({"planKey": "archived"}, "NOT_FOUND", "planKey"),
    ({"planKey": "archived", "planVersion": 1}, "INVALID_STATE", "planVersion"),
    ({"planKey": "drafted"}, "NOT_FOUND", "planKey"),
    ({"planKey": "drafted", "planVersion": 1}, "INVALID_STATE", "planVersion"),
    ({"planKey": "unknown"}, "NOT_FOUND", "planKey"),
    ({"planKey": ""}, "NOT_FOUND", "planKey"),
    ({"planKey": "pro", "planVersion": 2}, "NOT_FOUND", "planKey"),
    ({"planKey": "pro", "planVersion": -1}, "NOT_FOUND", "planKey"),
    ({"quantity": 0}, "INVALID", "quantity"),
    ({"quantity": -1}, "INVALID", "quantity"),
    ({"quantity": 1_000_001}, "INVALID", "quantity"),
    ({"planKey": "basic"}, "INVALID", "planKey"),
    ({"planKey": "basic", "planVersion": 1, "quantity": 3}, "INVALID", "planKey"),
    ({"planKey": "yearly"}, "INVALID", "proration"),
    ({"planKey": "yearly", "proration": "PRORATE_NOW"}, "INVALID", "proration"),
    ({"planKey": "yearly", "proration": "NONE"}, "INVALID", "proration"),
    ({"planKey": "quarterly"}, "INVALID", "proration"),
    ({"planKey": "pro-early"}, "INVALID", "proration"),
    ({"expectedVersion": 2}, "VERSION_CONFLICT", "expectedVersion"),
    ({"expectedVersion": 0}, "VERSION_CONFLICT", "expectedVersion"),
]


async def refuse(
    caller: Caller, administrator: asyncpg.Connection, subscription_id: str, **given: Any
) -> tuple[str, str]:
    """Why a change is refused: its code and path; not a row differs for it."""
    before = await fingerprint(administrator, caller)
    change = {"subscriptionId": subscription_id, "planKey": "pro", **given}
    payload = await caller.attempt("subscriptionChangePlan", change, SELECT)
    assert (payload["subscription"], payload["invoice"]) == (None, None)
    assert await fingerprint(administrator, caller) == before
    return refusal(payload)


async def test_a_change_that_breaks_a_rule_is_refused_where_it_does(
    caller: Caller, administrator: asyncpg.Connection
) -> None:
    """With its code, at its place, and nothing is stored."""
    await plan(caller, "euro", 9300, currency="EUR")
    await plan(caller, "yearly", 9300, interval="YEAR")
    await plan(caller, "quarterly", 9300, intervalCount=3)
    for key in ("drafted", "archived"):
        new = {"key": key, "name": key, "currency": "USD", "basePrice": 1}
        made = await caller.change("planCreate", new, "plan { id }")
        for field in ["planPublish", "planArchive"] if key == "archived" else []:
            await caller.change(field, {"planId": made["plan"]["id"]}, "plan { id }")
    subscription_id = await subscription(caller, "basic", quantity=3)
    for given, code, path in REFUSED:
        assert await refuse(caller, administrator, subscription_id, **given) == (code, path), given
    # All of these would have been taken but for the one thing.
    await change(caller, subscription_id, "pro", expectedVersion=1)


async def test_nothing_is_reset_while_trialing(caller: Caller, administrator: asyncpg.Connection) -> None:
    """No period runs that could be begun anew."""
    await plan(caller, "tried", 9300, trialDays=14)
    subscription_id = await subscription(caller, "tried")
    refused = await refuse(caller, administrator, subscription_id, proration="RESET_PERIOD")
    assert refused == ("INVALID", "proration")
    await advance(caller, "2026-05-15T00:00:00Z")
    await change(caller, subscription_id, "pro", proration="RESET_PERIOD")


async def test_what_is_canceled_is_not_changed(caller: Caller, administrator: asyncpg.Connection) -> None:
    """Not once its end has come; until then it is, and ends all the same."""
    subscription_id = await subscription(caller, "basic")
    await caller.change("subscriptionCancel", {"subscriptionId": subscription_id}, "subscription { status }")
    changed = await change(caller, subscription_id, "pro")
    assert changed["subscription"]["status"] == "ACTIVE"
    await advance(caller, "2026-06-01T00:00:00Z")
    for proration in ("PRORATE_NOW", "PRORATE_NEXT", "NONE", "RESET_PERIOD"):
        given = {"planKey": "basic", "proration": proration}
        assert await refuse(caller, administrator, subscription_id, **given) == ("INVALID_STATE", "subscriptionId")


@pytest.mark.parametrize("proration", ["PRORATE_NOW", "RESET_PERIOD"])
async def test_what_bills_at_once_waits_for_the_periods_draft(
    caller: Caller, administrator: asyncpg.Connection, proration: str
) -> None:
    """A draft under review would be wrong after it: it is finalized, voided or deleted first."""
    subscription_id = await subscription(caller, "basic")
    draft_id = await draft(caller, subscriptionId=subscription_id)
    await advance(caller, "2026-05-11T00:00:00Z")
    refused = await refuse(caller, administrator, subscription_id, proration=proration)
    assert refused == ("INVALID_STATE", "subscriptionId")
    await caller.change("invoiceDeleteDraft", {"invoiceId": draft_id}, "__typename")
    assert codes(await change(caller, subscription_id, "pro", proration=proration)) == []
