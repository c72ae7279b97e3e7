"""reservation.purge: holds that ended long ago and counters that nobody needs go, and nothing else."""

import asyncio

import asyncpg
import pytest

from app.jobs.usage_purge import do_usage_purge
from app.operations.reservation.purge import purge_reservations
from app.store.tenancy import TenantDatabase
from tests.caller import Caller
from tests.operations.steps import (
    entitlement,
    hard_quota,
    levels,
    meter,
    plan,
    reserved,
    set_clock,
    subscription,
)

LEFT = """
select (select count(*) from reservations where organization_id = $1),
       (select array_agg(period_start::date::text order by period_start) from quota_counters where organization_id = $1)
"""


@pytest.fixture
async def held(tester: Caller, administrator: asyncpg.Connection) -> str:
    """The id of a hold of May, not marked as what it is by now; another of May ended at once, as did one of July."""
    await meter(tester)
    await plan(tester, "pro", 0, hard_quota("calls", "100"))
    await subscription(tester)
    await tester.change("usageRelease", {"reservationId": await reserved(tester)}, "reservation { id }")
    held = await reserved(tester)
    await set_clock(administrator, tester, "2026-07-25T00:00:00Z")
    await tester.change("usageRelease", {"reservationId": await reserved(tester)}, "reservation { id }")
    return held


async def left(administrator: asyncpg.Connection, caller: Caller) -> tuple[int, list[str] | None]:
    """How many reservations there are, and of which periods there is a counter."""
    count, periods = await administrator.fetchrow(LEFT, caller.database.organization_id)
    return count, periods


async def test_what_ended_long_ago_goes(
    tester: Caller, worker: TenantDatabase, held: str, administrator: asyncpg.Connection
) -> None:
    """A counter goes with its last hold; one that is not marked as ended yet stays, and so does what is young."""
    assert await purge_reservations(worker, 71, 500) == 0
    await set_clock(administrator, tester, "2026-08-10T00:00:00Z")
    assert [await purge_reservations(worker, 71, 1) for _ in range(2)] == [1, 0]
    assert await left(administrator, tester) == (2, ["2026-05-20", "2026-07-20"])
    await administrator.execute(
        "update reservations set status = 'EXPIRED', ended_at = expires_at where status = 'HELD'"
        " and organization_id = $1",
        tester.database.organization_id,
    )
    await administrator.execute(
        "update quota_counters set reserved = 0 where organization_id = $1", tester.database.organization_id
    )
    await do_usage_purge(worker, {"retentionDays": 71})
    assert await left(administrator, tester) == (1, ["2026-07-20"])
    gone = await tester.attempt("usageRelease", {"reservationId": held}, "reservation { id }")
    assert [error["code"] for error in gone["userErrors"]] == ["NOT_FOUND"]


async def test_a_counter_that_is_purged_while_it_is_wanted_is_made_anew(
    tester: Caller, held: str, administrator: asyncpg.Connection, owner_url: str
) -> None:
    """Whoever waits for its row takes from another one, and is not told that there is no quota left."""
    here = tester.database.organization_id
    await administrator.execute("delete from reservations where organization_id = $1", here)
    purging = await asyncpg.connect(owner_url)
    transaction = purging.transaction()
    await transaction.start()
    await purging.execute("delete from quota_counters where organization_id = $1", here)
    taking = asyncio.create_task(reserved(tester, "5"))
    async with asyncio.timeout(5):
        while not await administrator.fetchval(  # noqa: ASYNC110 - PostgreSQL raises no event
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%quota_counters%'"
        ):
            await asyncio.sleep(0.01)
    await transaction.commit()
    await purging.close()
    assert await taking != held
    assert levels(await entitlement(tester)) == ("0", "5", "95")
    assert await left(administrator, tester) == (1, ["2026-07-20"])
