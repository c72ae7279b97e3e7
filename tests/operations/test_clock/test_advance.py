"""test_clock.advance."""

from typing import Any

import asyncpg
import pytest

from app.domain.errors import LimitExceeded
from app.domain.role import Role
from app.operations.test_clock.advance import advance_test_clock
from app.store.tables.organization import Mode
from app.store.tenancy import Database
from tests.caller import Caller, Founder
from tests.operations.steps import database_of, draft, fingerprint, instant, plan, refusal, subscription
from tests.stories.telling import advance, invoices, told

SELECT = "organization { testClock }"


async def test_each_thing_is_done_when_it_falls_due(tester: Caller) -> None:
    """Two subscriptions with periods of their own: invoices come in the order of their instants, at those instants."""
    await plan(tester, "weekly", 700, interval="WEEK")
    await plan(tester, "monthly", 3100, timing="IN_ADVANCE")
    await subscription(tester, "weekly")
    await subscription(tester, "monthly", startAt="2026-05-22T00:00:00Z")
    moved = await tester.change("testClockAdvance", {"to": "2026-06-22T00:00:00Z"}, SELECT)
    assert moved["organization"] == {"testClock": "2026-06-22T00:00:00Z"}
    found = sorted(await invoices(tester), key=lambda invoice: invoice["number"])
    assert [(invoice["finalizedAt"][:10], invoice["total"]["amount"]) for invoice in found] == [
        ("2026-05-22", 3100),
        ("2026-05-27", 700),
        ("2026-06-03", 700),
        ("2026-06-10", 700),
        ("2026-06-17", 700),
        ("2026-06-22", 3100),
    ]


async def test_many_small_steps_bill_what_one_large_one_does(founder: Founder) -> None:
    """Day by day or at once: the same invoices with the same numbers at the same instants."""
    bills = []
    for steps in (
        ["2026-07-21T00:00:00Z"],
        [f"2026-{month:02}-{day:02}T00:00:00Z" for month in (6, 7) for day in (3, 20, 21)],
    ):
        caller = await founder.organization(mode=Mode.TEST, test_clock=instant("2026-05-20T00:00:00Z"))
        await plan(caller, "pro", 3100, trialDays=14)
        await subscription(caller)
        for to in steps:
            await advance(caller, to)
        bills.append(await invoices(caller))
    assert bills[0] == bills[1]
    assert told(bills[0]) == [("PERIOD", "2026-06-03 > 2026-07-03", [("BASE_FEE", 3100)])]


async def test_a_draft_is_finalized_once_its_review_is_over(tester: Caller) -> None:
    """Three days after its period's end, by the clock; the clock does not stop for it."""
    await plan(tester, "pro", 3100)
    subscription_id = await subscription(tester)
    await draft(tester, subscriptionId=subscription_id)
    await advance(tester, "2026-06-22T23:59:59Z")
    assert [invoice["status"] for invoice in await invoices(tester)] == ["DRAFT"]
    await advance(tester, "2026-06-23T00:00:00Z")
    assert [invoice["status"] for invoice in await invoices(tester)] == ["FINALIZED"]


@pytest.mark.parametrize(
    ("to", "code", "path"),
    [
        ("2026-05-20T00:00:00Z", "INVALID", "to"),
        ("2026-05-19T23:59:59.999999Z", "INVALID", "to"),
        ("1000-01-01T00:00:00Z", "INVALID", "to"),
        ("2028-05-20T00:00:00.000001Z", "INVALID", "to"),
        ("9999-12-31T23:59:59Z", "INVALID", "to"),
    ],
)
async def test_the_clock_moves_forward_by_at_most_two_years(
    tester: Caller, administrator: asyncpg.Connection, to: str, code: str, path: str
) -> None:
    """Not back, not to where it stands, not further; nothing is stored, and nothing billed on the way."""
    await plan(tester, "pro", 3100)
    await subscription(tester)
    before = await fingerprint(administrator, tester)
    refused = await tester.attempt("testClockAdvance", {"to": to}, SELECT)
    assert (refused["organization"], refusal(refused)) == (None, (code, path))
    assert await fingerprint(administrator, tester) == before


async def test_two_years_are_inside(tester: Caller) -> None:
    """To the instant; and the longest step bills all that is due on it."""
    await plan(tester, "pro", 3100)
    await subscription(tester)
    await advance(tester, "2028-05-20T00:00:00Z")
    assert len(await invoices(tester)) == 24


async def test_the_clock_does_not_leave_the_years_that_billing_knows(founder: Founder) -> None:
    """Where an organization's clock may not be set, it does not go."""
    caller = await founder.organization(mode=Mode.TEST, test_clock=instant("2199-12-31T00:00:00Z"))
    refused = await caller.attempt("testClockAdvance", {"to": "2200-01-01T00:00:00Z"}, SELECT)
    assert refusal(refused) == ("INVALID", "to")
    await advance(caller, "2199-12-31T23:59:59Z")


async def test_a_live_organization_has_no_clock_to_move(owner: Caller, administrator: asyncpg.Connection) -> None:
    """It lives by real time."""
    before = await fingerprint(administrator, owner)
    refused = await owner.attempt("testClockAdvance", {"to": "2036-01-01T00:00:00Z"}, SELECT)
    assert (refused["organization"], refusal(refused)[0]) == (None, "INVALID_STATE")
    assert await fingerprint(administrator, owner) == before


async def test_a_step_makes_at_most_a_thousand_invoices(
    tester: Caller, database: Database, administrator: asyncpg.Connection
) -> None:
    """LIMIT_EXCEEDED, with nothing of the thousand stored: 51 subscriptions by the day are 1,020 in twenty days."""
    await plan(tester, "daily", 7, interval="DAY")
    for _ in range(51):
        await subscription(tester, "daily")
    before = await fingerprint(administrator, tester)
    with pytest.raises(LimitExceeded) as refused:
        await advance_test_clock(database_of(database, tester), instant("2026-06-09T00:00:00Z"))
    assert refused.value.path == ("to",)
    assert await fingerprint(administrator, tester) == before


@pytest.mark.parametrize(("role", "may"), [(Role.BILLING, True), (Role.DEVELOPER, True), (Role.SUPPORT, False)])
async def test_who_may_move_it(tester: Caller, founder: Founder, role: Role, may: bool) -> None:
    """Those who bill and those who try things out."""
    colleague = await founder.colleague(tester, role)
    document = 'mutation { testClockAdvance(input: {to: "2026-06-01T00:00:00Z"}) { organization { testClock } } }'
    answer: dict[str, Any] = await colleague.ask(document)
    assert ("errors" not in answer) is may
