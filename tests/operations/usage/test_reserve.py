"""usage.reserve: quota held before the work is done, and never more than there is."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from app.api.ids import RESERVATION, type_id
from app.domain.errors import LimitExceeded
from app.operations.usage.release import release_usage
from app.operations.usage.reserve import NewReservation, reserve_usage
from app.operations.usage.settle import Settlement, settle_usage
from app.store.connection import ConnectionPool, Timeouts
from app.store.tenancy import Database, TenantDatabase
from tests.caller import Caller
from tests.operations.steps import (
    customer,
    database_of,
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

WAITERS = """
    select count(*) from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock' and query like '%quota_counters%'
"""
RESERVATION_FIELDS = """reservation { status quantity settledQuantity feature expiresAt createdAt
subscription { id } customer { isDefault } organization { id } }
entitlement { allowed reason used reserved remaining }"""


async def limited(caller: Caller, included: str = "100", aggregation: str = "SUM", **more: Any) -> str:
    """A subscription with a HARD limit of calls."""
    await meter(caller, "calls", aggregation, **more)
    await plan(caller, "pro", 0, hard_quota("calls", included))
    return await subscription(caller)


async def test_a_hold_counts_until_it_ends(tester: Caller) -> None:
    """It is taken off what remains, in the payload and for whoever asks, and says for how long."""
    subscription_id = await limited(tester)
    await send(tester, {"meter": "calls", "quantity": "60"})
    made = await tester.change(
        "usageReserve", {"feature": "calls", "quantity": "30", "ttlSeconds": 90}, RESERVATION_FIELDS
    )
    assert made["reservation"] == {
        "status": "HELD",
        "quantity": "30",
        "settledQuantity": None,
        "feature": "calls",
        "expiresAt": "2026-05-20T00:01:30Z",
        "createdAt": "2026-05-20T00:00:00Z",
        "subscription": {"id": subscription_id},
        "customer": {"isDefault": True},
        "organization": {"id": tester.organization_id},
    }
    assert made["entitlement"] == {
        "allowed": True, "reason": "GRANTED", "used": "60", "reserved": "30", "remaining": "10",
    }  # fmt: skip
    answer = await entitlement(tester, quantity="11")
    assert (answer["allowed"], answer["reason"], levels(answer)) == (False, "LIMIT_REACHED", ("60", "30", "10"))


async def test_more_than_there_is_is_refused_whole(tester: Caller) -> None:
    """LIMIT_EXCEEDED, with what remains and until when; nothing is held."""
    await limited(tester)
    await reserved(tester, "95")
    refused = await tester.attempt("usageReserve", {"feature": "calls", "quantity": "6"}, "reservation { id }")
    assert refused["reservation"] is None
    assert refused["userErrors"] == [
        {
            "code": "LIMIT_EXCEEDED",
            "message": "6 were asked for and 5 remain until 2026-06-20T00:00:00Z.",
            "path": ["input", "quantity"],
        }
    ]
    assert levels(await entitlement(tester)) == ("0", "95", "5")
    await reserved(tester, "5")


async def test_a_soft_limit_and_a_meter_hold_everything(tester: Caller) -> None:
    """Beyond what is included it is overage: held all the same, since it is billed."""
    await meter(tester)
    metered = {**soft_quota("calls", "0", key="metered"), "type": "METERED"}
    del metered["enforcement"]
    await plan(tester, "pro", 0, soft_quota("calls", "10"), metered)
    await subscription(tester)
    await reserved(tester, "25")
    answer = await entitlement(tester)
    assert (answer["allowed"], answer["reason"], levels(answer)) == (True, "OVERAGE", ("0", "25", "0"))
    await reserved(tester, "5", "metered")
    answer = await entitlement(tester, "metered")
    assert (answer["reason"], answer["limit"], levels(answer)) == ("GRANTED", None, ("0", "30", None))


async def test_an_expired_hold_is_given_back_at_once(tester: Caller, administrator: asyncpg.Connection) -> None:
    """To the very next caller, by the tenant's clock, though nothing has marked it yet."""
    await limited(tester, "10")
    first = await reserved(tester, "10", ttlSeconds=60)
    assert (
        refusal(await tester.attempt("usageReserve", {"feature": "calls", "quantity": "1"}, ""))[0] == "LIMIT_EXCEEDED"
    )
    await tester.change("testClockAdvance", {"to": "2026-05-20T00:00:59Z"}, "organization { id }")
    assert levels(await entitlement(tester)) == ("0", "10", "0")
    await tester.change("testClockAdvance", {"to": "2026-05-20T00:01:00Z"}, "organization { id }")
    assert levels(await entitlement(tester)) == ("0", "0", "10")
    status = "query($id: ID!) { node(id: $id) { ... on Reservation { status } } }"
    assert (await tester.data(status, id=first))["node"] == {"status": "EXPIRED"}
    await reserved(tester, "7")
    await reserved(tester, "3")
    stored = await administrator.fetch(
        "select r.status, r.quantity, c.reserved from reservations r"
        " join quota_counters c on (c.organization_id, c.id) = (r.organization_id, r.counter_id)"
        " where r.organization_id = $1 order by r.id",
        tester.database.organization_id,
    )
    assert [tuple(row) for row in stored] == [("EXPIRED", 10, 10), ("HELD", 7, 10), ("HELD", 3, 10)]


@pytest.mark.parametrize(
    ("input", "code", "path"),
    [
        ({"quantity": "0"}, "INVALID", "quantity"),
        ({"quantity": "-1"}, "INVALID", "quantity"),
        ({"quantity": "1000000000000001"}, "INVALID", "quantity"),
        ({"quantity": "0.0000000000001"}, "INVALID", "quantity"),
        ({"ttlSeconds": 0}, "INVALID", "ttlSeconds"),
        ({"ttlSeconds": 86401}, "INVALID", "ttlSeconds"),
        ({"feature": "xyzzy"}, "NOT_FOUND", "feature"),
        ({"feature": ""}, "INVALID", "feature"),
        ({"feature": "exports"}, "INVALID", "feature"),
        ({"feature": "elsewhere"}, "INVALID_STATE", "feature"),
        ({"customerId": "cus_01h455vb4pex5vsknk084sn02q"}, "NOT_FOUND", "customerId"),
    ],
)
async def test_what_cannot_be_held_is_refused(tester: Caller, input: dict[str, Any], code: str, path: str) -> None:
    """Each with its code and the place in the input."""
    await meter(tester)
    boolean = {"key": "exports", "name": "Exports", "type": "BOOLEAN"}
    await plan(tester, "other", 0, boolean | {"key": "elsewhere"})
    await plan(tester, "pro", 0, hard_quota("calls", "100"), boolean)
    await subscription(tester)
    payload = await tester.attempt("usageReserve", {"feature": "calls", "quantity": "1"} | input, "reservation { id }")
    assert refusal(payload) == (code, path)


async def test_a_customer_without_subscription_holds_nothing(tester: Caller) -> None:
    """INVALID_STATE: there is no plan to take it from."""
    await limited(tester)
    other = await customer(tester)
    payload = await tester.attempt("usageReserve", {"feature": "calls", "quantity": "1", "customerId": other}, "")
    assert refusal(payload) == ("INVALID_STATE", "customerId")


@pytest.mark.parametrize(
    ("aggregation", "one", "many"),
    [
        ("COUNT", None, "INVALID"),
        ("UNIQUE", None, "INVALID"),
        ("MAX", "INVALID", "INVALID"),
        ("MIN", "INVALID", "INVALID"),
        ("AVG", "INVALID", "INVALID"),
        ("LATEST", "INVALID", "INVALID"),
    ],
)
async def test_only_what_adds_up_is_held(tester: Caller, aggregation: str, one: str | None, many: str) -> None:
    """A settled reservation is one event: where that counts 1, 1 is held; where numbers do not add up, nothing."""
    more = {"property": "user"} if aggregation == "UNIQUE" else {}
    await limited(tester, "100", aggregation, **more)
    for quantity, code in (("1", one), ("2", many)):
        payload = await tester.attempt("usageReserve", {"feature": "calls", "quantity": quantity}, "")
        assert [error["code"] for error in payload["userErrors"]] == ([] if code is None else [code])


async def test_a_dry_run_holds_nothing(tester: Caller) -> None:
    """It answers as if it did."""
    await limited(tester)
    made = await tester.change(
        "usageReserve",
        {"feature": "calls", "quantity": "30", "dryRun": True},
        "reservation { status } entitlement { remaining }",
    )
    assert (made["reservation"]["status"], made["entitlement"]["remaining"]) == ("HELD", "70")
    assert levels(await entitlement(tester)) == ("0", "0", "100")


async def test_a_hold_sent_again_is_taken_once(tester: Caller) -> None:
    """Under its idempotency key, as any mutation."""
    await limited(tester)
    assert await reserved(tester, "30", idempotencyKey="once") == await reserved(tester, "30", idempotencyKey="once")
    assert levels(await entitlement(tester)) == ("0", "30", "70")


async def test_two_features_of_a_meter_share_what_is_held(tester: Caller) -> None:
    """What one holds will be used on the meter of both."""
    await meter(tester)
    await plan(tester, "pro", 0, hard_quota("calls", "10", "narrow"), hard_quota("calls", "100", "wide"))
    await subscription(tester)
    await reserved(tester, "8", "wide")
    assert levels(await entitlement(tester, "narrow")) == ("0", "8", "2")


async def test_what_the_first_subscription_cannot_hold_is_taken_from_the_second(tester: Caller) -> None:
    """In the order in which they were made; usage recorded for the customer beyond the first one's limit counts too."""
    await meter(tester)
    for key, limit in (("small", "10"), ("large", "100")):
        await plan(tester, key, 0, hard_quota("calls", limit))
    small, large = await subscription(tester, "small"), await subscription(tester, "large")
    await send(tester, {"meter": "calls", "quantity": "8"})
    for quantity, taken_from in (("2", small), ("1", large)):
        made = await tester.change(
            "usageReserve", {"feature": "calls", "quantity": quantity}, "reservation { subscription { id } }"
        )
        assert made["reservation"]["subscription"]["id"] == taken_from
    await send(tester, {"meter": "calls", "quantity": "60", "eventId": "more"})
    answer = await entitlement(tester)
    assert (answer["subscription"]["id"], levels(answer)) == (large, ("60", "1", "39"))
    assert refusal(await tester.attempt("usageReserve", {"feature": "calls", "quantity": "40"}, "")) == (
        "LIMIT_EXCEEDED",
        "quantity",
    )
    await reserved(tester, "39")


async def test_a_change_of_plan_counts_anew(tester: Caller) -> None:
    """Usage and holds belong to the plan that was in force; a hold that is settled later counts on the old one."""
    subscription_id = await limited(tester, "10")
    await plan(tester, "large", 0, hard_quota("calls", "100"))
    held = await reserved(tester, "10", ttlSeconds=86_400)
    await tester.change("testClockAdvance", {"to": "2026-05-20T12:00:00Z"}, "organization { id }")
    await tester.change(
        "subscriptionChangePlan", {"subscriptionId": subscription_id, "planKey": "large"}, "subscription { id }"
    )
    assert levels(await entitlement(tester)) == ("0", "0", "100")
    await tester.change("usageSettle", {"reservationId": held, "quantity": "10"}, "reservation { id }")
    assert levels(await entitlement(tester)) == ("0", "0", "100")
    await reserved(tester, "100")


@pytest.fixture
async def pools(app_url: str) -> AsyncIterator[list[Database]]:
    """Two pools, as two server processes have."""
    opened = [ConnectionPool(app_url, size=5, timeouts=Timeouts(20_000, 20_000, 20_000)) for _ in range(2)]
    for pool in opened:
        await pool.open()
    yield [Database(pool) for pool in opened]
    for pool in opened:
        await pool.close()


async def attempts(
    pools: list[Database], caller: Caller, many: int, quantity: str = "1", at_once: int = 5
) -> list[tuple[TenantDatabase, Any]]:
    """So many holds from either process at once; the ids of those that were given."""
    gates = [asyncio.Semaphore(at_once) for _ in pools]
    new = NewReservation(None, "calls", Decimal(quantity), 60)

    async def attempt(place: int) -> tuple[TenantDatabase, Any] | None:
        async with gates[place]:
            db = database_of(pools[place], caller)
            try:
                return db, await reserve_usage(db, new)
            except LimitExceeded:
                return None

    found = await asyncio.gather(*(attempt(number % len(pools)) for number in range(many)))
    return [each for each in found if each is not None]


async def test_many_at_once_get_exactly_what_there_is(tester: Caller, pools: list[Database]) -> None:
    """60 takers of 1 over two processes, 3 used already: 10 less 3 succeed; and the entitlement says the same."""
    await limited(tester, "10")
    await send(tester, {"meter": "calls", "quantity": "3"})
    assert len(await attempts(pools, tester, 60)) == 7
    assert levels(await entitlement(tester)) == ("3", "7", "0")


async def test_holds_that_end_meanwhile_open_no_gap(
    tester: Caller, pools: list[Database], administrator: asyncpg.Connection
) -> None:
    """While some settle and some release, others take: never is more than the limit used and held together."""
    await limited(tester, "10")
    given = await attempts(pools, tester, 10)
    assert len(given) == 10

    gate = asyncio.Semaphore(2)  # of the five connections that each process has

    async def end(number: int, db: TenantDatabase, reservation_id: Any) -> None:
        async with gate:
            if number % 2:
                await release_usage(db, reservation_id)
            else:
                event_id = type_id(RESERVATION, reservation_id)
                await settle_usage(db, Settlement(reservation_id, event_id, Decimal(1), None))

    taken, *_ = await asyncio.gather(
        attempts(pools, tester, 40, at_once=3), *(end(number, *each) for number, each in enumerate(given))
    )
    assert len(taken) <= 5
    answer = await entitlement(tester)
    assert (answer["used"], answer["reserved"]) == ("5", str(len(taken)))
    late = await attempts(pools, tester, 20)
    assert len(taken) + len(late) == 5
    assert levels(await entitlement(tester)) == ("5", "5", "0")


async def test_a_waiter_sees_what_the_settler_before_it_did(
    tester: Caller, pools: list[Database], administrator: asyncpg.Connection
) -> None:
    """Those who wait for the counter while a hold is settled see the usage in its place: neither both nor none."""
    await limited(tester, "2")
    ((db, first),) = await attempts(pools, tester, 1)
    await db.hold_write()
    await settle_usage(db, Settlement(first, type_id(RESERVATION, first), Decimal(1), None))
    waiting = asyncio.create_task(attempts(pools[1:], tester, 2))
    async with asyncio.timeout(10):
        while await administrator.fetchval(WAITERS) < 2:  # noqa: ASYNC110 - PostgreSQL tells nobody
            await asyncio.sleep(0.01)
    assert not waiting.done()
    await db.release(commit=True)
    assert len(await waiting) == 1
    assert levels(await entitlement(tester)) == ("1", "1", "0")
