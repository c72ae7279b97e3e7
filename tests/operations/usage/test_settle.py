"""usage.settle: what was really used of a reservation becomes one usage event, and the rest is free."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.caller import Caller
from tests.operations.steps import (
    entitlement,
    hard_quota,
    levels,
    meter,
    plan,
    refusal,
    reserved,
    send,
    soft_quota,
    subscription,
)

USED = 'query($id: ID!) { subscription(id: $id) { usage(meter: "calls", window: TOTAL) { total } } }'
EVENTS = """{ usageEvents { nodes { source eventId quantity properties occurredAt recordedAt
meter { key } subscription { id } customer { isDefault } } } }"""
SETTLED = "reservation { status settledQuantity quantity } entitlement { used reserved remaining }"


async def limited(caller: Caller, included: str = "100", **more: Any) -> str:
    """A subscription with a HARD limit of calls."""
    await meter(caller, **more)
    await plan(caller, "pro", 0, hard_quota("calls", included))
    return await subscription(caller)


async def test_what_was_used_is_one_event_of_when_it_was_held(tester: Caller) -> None:
    """Its id is the reservation's; entitlement and usage agree, and the rest is free."""
    subscription_id = await limited(tester)
    held = await reserved(tester, "30")
    await tester.change("testClockAdvance", {"to": "2026-05-20T00:00:30Z"}, "organization { id }")
    settled = await tester.change(
        "usageSettle", {"reservationId": held, "quantity": "12.5", "properties": {"zone": "frob"}}, SETTLED
    )
    assert settled["reservation"] == {"status": "SETTLED", "settledQuantity": "12.5", "quantity": "30"}
    assert settled["entitlement"] == {"used": "12.5", "reserved": "0", "remaining": "87.5"}
    assert levels(await entitlement(tester)) == ("12.5", "0", "87.5")
    assert (await tester.data(EVENTS))["usageEvents"]["nodes"] == [
        {
            "source": "reservation",
            "eventId": held,
            "quantity": "12.5",
            "properties": {"zone": "frob"},
            "occurredAt": "2026-05-20T00:00:00Z",
            "recordedAt": "2026-05-20T00:00:30Z",
            "meter": {"key": "calls"},
            "subscription": {"id": subscription_id},
            "customer": {"isDefault": True},
        }
    ]
    assert (await tester.data(USED, id=subscription_id))["subscription"]["usage"]["total"] == "12.5"


async def test_a_hold_that_ends_in_the_next_period_counts_in_its_own(tester: Caller) -> None:
    """The next period's whole limit is there for the next period."""
    await limited(tester, "10")
    await tester.change("testClockAdvance", {"to": "2026-06-19T23:59:30Z"}, "organization { id }")
    held = await reserved(tester, "10")
    await tester.change("testClockAdvance", {"to": "2026-06-20T00:00:00Z"}, "organization { id }")
    assert levels(await entitlement(tester)) == ("0", "0", "10")
    await reserved(tester, "10")
    await tester.change("usageSettle", {"reservationId": held, "quantity": "10"}, "reservation { id }")
    assert levels(await entitlement(tester)) == ("0", "10", "0")


async def test_nothing_used_is_no_event(tester: Caller) -> None:
    """A COUNT would count it."""
    await limited(tester, aggregation="COUNT")
    held = await reserved(tester)
    settled = await tester.change("usageSettle", {"reservationId": held, "quantity": "0"}, SETTLED)
    assert settled["reservation"]["settledQuantity"] == "0"
    assert levels(await entitlement(tester)) == ("0", "0", "100")
    assert (await tester.data(EVENTS))["usageEvents"]["nodes"] == []


async def test_a_count_is_settled_by_one(tester: Caller) -> None:
    """One event counts 1, whatever its quantity says: so no other is taken."""
    await limited(tester, aggregation="COUNT")
    held = await reserved(tester)
    refused = await tester.attempt("usageSettle", {"reservationId": held, "quantity": "0.5"}, "")
    assert refusal(refused) == ("INVALID", "quantity")
    await tester.change("usageSettle", {"reservationId": held, "quantity": "1"}, "reservation { id }")
    assert levels(await entitlement(tester)) == ("1", "0", "99")


async def test_under_a_hard_limit_no_more_than_was_reserved(tester: Caller) -> None:
    """LIMIT_EXCEEDED, and the hold stays; under a SOFT one more is overage."""
    await limited(tester)
    held = await reserved(tester, "30")
    refused = await tester.attempt("usageSettle", {"reservationId": held, "quantity": "30.000000000001"}, "")
    assert refusal(refused) == ("LIMIT_EXCEEDED", "quantity")
    assert levels(await entitlement(tester)) == ("0", "30", "70")
    await plan(tester, "soft", 0, soft_quota("calls", "10", key="more"))
    await subscription(tester, "soft")
    held = await reserved(tester, "5", "more")
    await tester.change("usageSettle", {"reservationId": held, "quantity": "25"}, "reservation { id }")
    answer = await entitlement(tester, "more")
    assert (answer["reason"], levels(answer)) == ("OVERAGE", ("25", "0", "0"))


@pytest.mark.parametrize("quantity", ["-1", "1000000000000001", "0.0000000000001"])
async def test_a_quantity_that_no_event_has_is_refused(tester: Caller, quantity: str) -> None:
    """As usageRecord refuses it."""
    await limited(tester)
    payload = await tester.attempt("usageSettle", {"reservationId": await reserved(tester), "quantity": quantity}, "")
    assert refusal(payload) == ("INVALID", "quantity")


ENDS = [("usageSettle", {"quantity": "1"}), ("usageRelease", {})]


@pytest.mark.parametrize(("field", "more"), ENDS)
async def test_a_hold_ends_once(tester: Caller, field: str, more: dict[str, Any]) -> None:
    """INVALID_STATE once it is settled, released or expired; nothing changes by that."""
    await limited(tester)
    for end, with_ in ENDS:
        held = await reserved(tester)
        await tester.change(end, {"reservationId": held} | with_, "reservation { id }")
        assert refusal(await tester.attempt(field, {"reservationId": held} | more, "")) == (
            "INVALID_STATE",
            "reservationId",
        )
    expired = await reserved(tester, ttlSeconds=1)
    await tester.change("testClockAdvance", {"to": "2026-05-20T00:00:01Z"}, "organization { id }")
    before = levels(await entitlement(tester))
    payload = await tester.attempt(field, {"reservationId": expired} | more, "")
    assert refusal(payload) == ("INVALID_STATE", "reservationId")
    assert "expired at 2026-05-20T00:00:01Z" in payload["userErrors"][0]["message"]
    assert levels(await entitlement(tester)) == before == ("1", "0", "99")


@pytest.mark.parametrize(("field", "more"), ENDS)
async def test_an_unknown_reservation_is_not_found(tester: Caller, field: str, more: dict[str, Any]) -> None:
    """Whatever its id looks like."""
    for unknown in ("rsv_01h455vb4pex5vsknk084sn02q", "xyzzy", ""):
        payload = await tester.attempt(field, {"reservationId": unknown} | more, "")
        assert refusal(payload) == ("NOT_FOUND", "reservationId")


async def test_what_is_released_is_free_and_leaves_no_usage(tester: Caller) -> None:
    """At once, for whoever asks."""
    await limited(tester, "10")
    held = await reserved(tester, "10")
    released = await tester.change("usageRelease", {"reservationId": held}, SETTLED)
    assert released["reservation"] == {"status": "RELEASED", "settledQuantity": None, "quantity": "10"}
    assert released["entitlement"] == {"used": "0", "reserved": "0", "remaining": "10"}
    assert (await tester.data(EVENTS))["usageEvents"]["nodes"] == []


async def test_many_who_settle_one_hold_record_one_event(tester: Caller) -> None:
    """One of them does; the others are told that it is SETTLED."""
    await limited(tester)
    held = await reserved(tester, "10")
    answers = await asyncio.gather(
        *(tester.attempt("usageSettle", {"reservationId": held, "quantity": "7"}, "") for _ in range(6))
    )
    assert sorted(len(answer["userErrors"]) for answer in answers) == [0, 1, 1, 1, 1, 1]
    assert levels(await entitlement(tester)) == ("7", "0", "93")


async def test_an_event_that_was_sent_in_its_name_is_not_counted_twice(tester: Caller) -> None:
    """ALREADY_EXISTS: what was used was recorded by somebody who named the reservation; it can be released."""
    await limited(tester)
    held = await reserved(tester, "10")
    await send(tester, {"meter": "calls", "quantity": "10", "source": "reservation", "eventId": held})
    payload = await tester.attempt("usageSettle", {"reservationId": held, "quantity": "10"}, "")
    assert refusal(payload) == ("ALREADY_EXISTS", "reservationId")
    assert levels(await entitlement(tester)) == ("10", "10", "80")
    await tester.change("usageRelease", {"reservationId": held}, "reservation { id }")
    assert levels(await entitlement(tester)) == ("10", "0", "90")


async def test_each_step_is_audited(tester: Caller, administrator: asyncpg.Connection) -> None:
    """By what it was done to."""
    await limited(tester)
    await tester.change("usageSettle", {"reservationId": await reserved(tester), "quantity": "1"}, "")
    await tester.change("usageRelease", {"reservationId": await reserved(tester)}, "")
    found = await administrator.fetch(
        "select action from audit_records where organization_id = $1 and action like 'usage.%' order by id",
        tester.database.organization_id,
    )
    assert [row["action"] for row in found] == ["usage.reserve", "usage.settle", "usage.reserve", "usage.release"]
