"""subscription.pause."""

from typing import Any

import asyncpg
import pytest

from tests.caller import Caller
from tests.operations.steps import fingerprint, plan, refusal, subscription
from tests.stories.telling import advance

SELECT = "subscription { status version pausedAt resumesAt trialEnd cancelAt } invoice { number }"


async def pause(caller: Caller, subscription_id: str, **more: Any) -> dict[str, Any]:
    payload = await caller.change("subscriptionPause", {"subscriptionId": subscription_id, **more}, SELECT)
    return payload["subscription"]


async def test_a_pause_lasts_until_it_is_resumed(tester: Caller) -> None:
    """Where no instant is given, the clock alone never ends it."""
    await plan(tester)
    subscription_id = await subscription(tester)
    paused = await pause(tester, subscription_id, expectedVersion=1)
    assert paused == {
        "status": "PAUSED",
        "version": 2,
        "pausedAt": "2026-05-20T00:00:00Z",
        "resumesAt": None,
        "trialEnd": None,
        "cancelAt": None,
    }
    await advance(tester, "2028-05-20T00:00:00Z")
    read = "query($id: ID!) { subscription(id: $id) { status pausedAt } }"
    found = (await tester.data(read, id=subscription_id))["subscription"]
    assert found == {"status": "PAUSED", "pausedAt": "2026-05-20T00:00:00Z"}


async def test_a_pause_ends_by_itself(tester: Caller) -> None:
    """At the instant that was given, to the microsecond; then it may be paused again."""
    await plan(tester)
    subscription_id = await subscription(tester)
    await pause(tester, subscription_id, resumesAt="2026-05-20T00:00:00.000002Z")
    read = "query($id: ID!) { subscription(id: $id) { status pausedAt resumesAt } }"
    for now, status in [("2026-05-20T00:00:00.000001Z", "PAUSED"), ("2026-05-20T00:00:00.000002Z", "ACTIVE")]:
        await advance(tester, now)
        found = (await tester.data(read, id=subscription_id))["subscription"]
        assert found["status"] == status
    assert (found["pausedAt"], found["resumesAt"]) == (None, None)
    assert (await pause(tester, subscription_id))["version"] == 3


async def test_a_trial_that_is_paused_ends_when_it_would_have(tester: Caller) -> None:
    """PAUSED stands before TRIALING; the trial's end does not move."""
    await plan(tester, trialDays=14)
    subscription_id = await subscription(tester)
    paused = await pause(tester, subscription_id, resumesAt="2026-05-25T00:00:00Z")
    assert (paused["status"], paused["trialEnd"]) == ("PAUSED", "2026-06-03T00:00:00Z")
    read = "query($id: ID!) { subscription(id: $id) { status } }"
    for now, status in [("2026-05-25T00:00:00Z", "TRIALING"), ("2026-06-03T00:00:00Z", "ACTIVE")]:
        await advance(tester, now)
        assert (await tester.data(read, id=subscription_id))["subscription"]["status"] == status


async def test_what_is_paused_ends_all_the_same(tester: Caller) -> None:
    """A cancellation that was asked for before takes effect during the pause."""
    await plan(tester)
    subscription_id = await subscription(tester)
    await tester.change("subscriptionCancel", {"subscriptionId": subscription_id}, "subscription { status }")
    assert (await pause(tester, subscription_id))["cancelAt"] == "2026-06-20T00:00:00Z"
    await advance(tester, "2026-06-20T00:00:00Z")
    read = "query($id: ID!) { subscription(id: $id) { status pausedAt } }"
    found = (await tester.data(read, id=subscription_id))["subscription"]
    assert found == {"status": "CANCELED", "pausedAt": None}


@pytest.mark.parametrize(
    ("of", "given", "code", "path"),
    [
        ("active", {"subscriptionId": "sub_01h455vb4pex5vsknk084sn02q"}, "NOT_FOUND", "subscriptionId"),
        ("active", {"subscriptionId": "xyzzy"}, "NOT_FOUND", "subscriptionId"),
        ("active", {"resumesAt": "2026-05-20T00:00:00Z"}, "INVALID", "resumesAt"),
        ("active", {"resumesAt": "2026-05-19T23:59:59.999999Z"}, "INVALID", "resumesAt"),
        ("active", {"resumesAt": "1000-01-01T00:00:00Z"}, "INVALID", "resumesAt"),
        ("active", {"expectedVersion": 2}, "VERSION_CONFLICT", "expectedVersion"),
        ("future", {}, "INVALID_STATE", "subscriptionId"),
        ("future", {"resumesAt": "2026-08-01T00:00:00Z"}, "INVALID_STATE", "subscriptionId"),
        ("paused", {}, "INVALID_STATE", "subscriptionId"),
        ("canceled", {}, "INVALID_STATE", "subscriptionId"),
    ],
)
async def test_a_pause_that_breaks_a_rule_is_refused_where_it_does(
    tester: Caller, administrator: asyncpg.Connection, of: str, given: dict[str, Any], code: str, path: str
) -> None:
    """An instant to come, a subscription that has begun and is neither paused nor ended; nothing is stored."""
    await plan(tester)
    subscription_id = await subscription(tester, startAt="2026-07-01T00:00:00Z" if of == "future" else None)
    if of == "paused":
        await pause(tester, subscription_id)
    if of == "canceled":
        now = {"subscriptionId": subscription_id, "timing": "NOW"}
        await tester.change("subscriptionCancel", now, "subscription { status }")
    before = await fingerprint(administrator, tester)
    refused = await tester.attempt("subscriptionPause", {"subscriptionId": subscription_id, **given}, SELECT)
    assert (refused["subscription"], refusal(refused)) == (None, (code, path))
    assert await fingerprint(administrator, tester) == before
