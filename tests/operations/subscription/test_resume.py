"""subscription.resume."""

from typing import Any

import asyncpg
import pytest

from tests.caller import Caller
from tests.operations.steps import fingerprint, plan, refusal, subscription
from tests.stories.telling import advance, invoices, told

SELECT = "subscription { status version pausedAt resumesAt } invoice { number }"


async def test_a_pause_ends_now_though_it_would_have_lasted(tester: Caller) -> None:
    """What was to end it by itself means nothing any more: two days without fee, of the 31 from 20 May."""
    await plan(tester, "pro", 3100)
    subscription_id = await subscription(tester)
    paused = {"subscriptionId": subscription_id, "resumesAt": "2026-12-01T00:00:00Z"}
    await tester.change("subscriptionPause", paused, SELECT)
    await advance(tester, "2026-05-22T00:00:00Z")
    resumed = await tester.change(
        "subscriptionResume", {"subscriptionId": subscription_id, "expectedVersion": 2}, SELECT
    )
    assert resumed == {
        "subscription": {"status": "ACTIVE", "version": 3, "pausedAt": None, "resumesAt": None},
        "invoice": None,
        "userErrors": [],
    }
    await advance(tester, "2026-06-20T00:00:00Z")
    assert told(await invoices(tester)) == [("PERIOD", "2026-05-20 > 2026-06-20", [("BASE_FEE", 2900)])]


async def test_a_pause_of_no_time_costs_nothing_less(tester: Caller) -> None:
    """Paused and resumed at one instant, three times over: the fee is whole."""
    await plan(tester, "pro", 3100)
    subscription_id = await subscription(tester)
    for _ in range(3):
        await tester.change("subscriptionPause", {"subscriptionId": subscription_id}, SELECT)
        await tester.change("subscriptionResume", {"subscriptionId": subscription_id}, SELECT)
    await advance(tester, "2026-06-20T00:00:00Z")
    assert told(await invoices(tester)) == [("PERIOD", "2026-05-20 > 2026-06-20", [("BASE_FEE", 3100)])]


async def test_a_trial_goes_on(tester: Caller) -> None:
    """Resumed before its end it is TRIALING."""
    await plan(tester, trialDays=14)
    subscription_id = await subscription(tester)
    await tester.change("subscriptionPause", {"subscriptionId": subscription_id}, SELECT)
    resumed = await tester.change("subscriptionResume", {"subscriptionId": subscription_id}, SELECT)
    assert resumed["subscription"]["status"] == "TRIALING"


@pytest.mark.parametrize(
    ("of", "given", "code", "path"),
    [
        ("paused", {"subscriptionId": "sub_01h455vb4pex5vsknk084sn02q"}, "NOT_FOUND", "subscriptionId"),
        ("paused", {"subscriptionId": "xyzzy"}, "NOT_FOUND", "subscriptionId"),
        ("paused", {"expectedVersion": 1}, "VERSION_CONFLICT", "expectedVersion"),
        ("active", {}, "INVALID_STATE", "subscriptionId"),
        ("trialing", {}, "INVALID_STATE", "subscriptionId"),
        ("resumed", {}, "INVALID_STATE", "subscriptionId"),
        ("over", {}, "INVALID_STATE", "subscriptionId"),
        ("canceled", {}, "INVALID_STATE", "subscriptionId"),
    ],
)
async def test_only_what_is_paused_is_resumed(
    tester: Caller, administrator: asyncpg.Connection, of: str, given: dict[str, Any], code: str, path: str
) -> None:
    """Nothing else: not what was never paused, nor what was resumed, by hand or by its time, nor what has ended."""
    await plan(tester, trialDays=14 if of == "trialing" else 0)
    subscription_id = await subscription(tester)
    if of in ("paused", "resumed", "over", "canceled"):
        until = "2026-05-21T00:00:00Z" if of == "over" else None
        await tester.change("subscriptionPause", {"subscriptionId": subscription_id, "resumesAt": until}, SELECT)
    if of == "resumed":
        await tester.change("subscriptionResume", {"subscriptionId": subscription_id}, SELECT)
    if of == "over":
        await advance(tester, "2026-05-21T00:00:00Z")
    if of == "canceled":
        now = {"subscriptionId": subscription_id, "timing": "NOW"}
        await tester.change("subscriptionCancel", now, SELECT)
    before = await fingerprint(administrator, tester)
    refused = await tester.attempt("subscriptionResume", {"subscriptionId": subscription_id, **given}, SELECT)
    assert (refused["subscription"], refusal(refused)) == (None, (code, path))
    assert await fingerprint(administrator, tester) == before
