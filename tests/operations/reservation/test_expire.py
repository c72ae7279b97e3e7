"""reservation.expire: holds whose time is over, marked as what they are."""

import asyncpg

from app.jobs.reservation_expire import do_reservation_expire
from app.operations.reservation.expire import expire_reservations
from tests.caller import Caller
from tests.operations.steps import entitlement, hard_quota, levels, meter, plan, reserved, subscription


async def test_what_has_expired_is_marked_and_nothing_else(tester: Caller, administrator: asyncpg.Connection) -> None:
    """In batches, each audited; what a counter holds is the sum of what is HELD, and no entitlement changes."""
    await meter(tester)
    await plan(tester, "pro", 0, hard_quota("calls", "100"))
    for _ in range(2):
        await subscription(tester)
    for ttl_seconds in (10, 20, 30, 40):
        await reserved(tester, "5", ttlSeconds=ttl_seconds)
    await tester.change("testClockAdvance", {"to": "2026-05-20T00:00:30Z"}, "organization { id }")
    before = levels(await entitlement(tester))
    assert await expire_reservations(tester.database, 1)
    assert not await expire_reservations(tester.database, 1)
    assert levels(await entitlement(tester)) == before == ("0", "5", "95")
    held = await administrator.fetch(
        "select status, count(*) from reservations where organization_id = $1 group by status order by status",
        tester.database.organization_id,
    )
    assert [tuple(row) for row in held] == [("EXPIRED", 3), ("HELD", 1)]
    reserved_now = await administrator.fetchval(
        "select sum(reserved) from quota_counters where organization_id = $1", tester.database.organization_id
    )
    assert reserved_now == 5


async def test_the_job_goes_on_until_there_are_no_more(tester: Caller, administrator: asyncpg.Connection) -> None:
    """And does nothing where there are none."""
    await meter(tester)
    await plan(tester, "pro", 0, hard_quota("calls", "100"))
    await subscription(tester)
    await do_reservation_expire(tester.database, {})
    await reserved(tester, "5", ttlSeconds=10)
    await tester.change("testClockAdvance", {"to": "2026-05-20T00:00:10Z"}, "organization { id }")
    await do_reservation_expire(tester.database, {})
    found = await administrator.fetch(
        "select r.status, c.reserved, r.ended_at = r.expires_at as in_time from reservations r"
        " join quota_counters c on (c.organization_id, c.id) = (r.organization_id, r.counter_id)"
        " where r.organization_id = $1",
        tester.database.organization_id,
    )
    assert [tuple(row) for row in found] == [("EXPIRED", 0, True)]
