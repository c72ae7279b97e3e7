"""usage.purge: billed events may go, what they came to stays, and nothing else goes."""

import asyncpg
import pytest

from app.domain.errors import Invalid
from app.operations.usage.purge import purge_usage
from app.operations.usage.rebuild import rebuild_usage
from app.store.tenancy import TenantDatabase
from tests.caller import Caller
from tests.operations.steps import meter, plan, send, set_clock, soft_quota, subscription

RUN = "mutation { billingRun(input: {}) { invoicesGenerated userErrors { code } } }"
USED = """{ usage(meter: "calls", window: HOUR, period: {start: "2026-01-01T00:00:00Z", end: "2026-04-01T00:00:00Z"}) {
total } }"""
KEPT = """
select array_agg(event_id order by event_id) from usage_events where organization_id = $1
"""


async def test_billed_hours_go_and_what_they_came_to_stays(
    tester: Caller, worker: TenantDatabase, administrator: asyncpg.Connection
) -> None:
    """Kept are: the hour that a period's boundary cuts, what is not billed, and what nobody carried."""
    await set_clock(administrator, tester, "2026-01-05T09:30:00Z")
    await meter(tester)
    await plan(tester, "pro", 0, soft_quota("calls"))
    await subscription(tester)
    sent = {
        "uncarried": "2026-01-05T09:00:00Z",
        "cut": "2026-01-05T09:59:00Z",
        "gone-1": "2026-01-05T10:00:00Z",
        "gone-2": "2026-01-20T10:59:59Z",
        "cut-too": "2026-02-05T09:29:59Z",
        "unbilled": "2026-02-05T10:30:00Z",
    }
    await set_clock(administrator, tester, "2026-02-05T11:00:00Z")
    events = [{"eventId": name, "meter": "calls", "occurredAt": at} for name, at in sent.items()]
    assert await send(tester, *events) == ["ACCEPTED"] * len(sent)
    assert (await tester.data(RUN))["billingRun"]["invoicesGenerated"] == 1
    used = await tester.data(USED)
    assert used["usage"]["total"] == "6"
    assert await purge_usage(worker, 71, 500) == 0
    await set_clock(administrator, tester, "2026-06-01T00:00:00Z")
    assert await purge_usage(worker, 71, 1) == 1
    assert [await purge_usage(worker, 71, 500) for _ in range(2)] == [1, 0]
    kept = await administrator.fetchval(KEPT, tester.database.organization_id)
    assert kept == sorted(name for name in sent if not name.startswith("gone"))
    assert await tester.data(USED) == used
    found, _ = await rebuild_usage(tester.database)
    assert found == []
    conservation = await tester.data(
        """{ usageConservation(period: {start: "2026-01-01T00:00:00Z", end: "2026-04-01T00:00:00Z"}) {
        received billed pending holds } }"""
    )
    assert conservation["usageConservation"] == {"received": 6, "billed": 4, "pending": 2, "holds": True}


async def test_events_are_kept_as_long_as_they_can_come_again(tester: Caller, worker: TenantDatabase) -> None:
    """71 days at least: one may come 35 days late, and its identity is kept for 35 more."""
    with pytest.raises(Invalid, match="71 days"):
        await purge_usage(worker, 70, 1)


async def test_postgresql_keeps_what_is_young(
    tester: Caller, worker: TenantDatabase, worker_url: str, administrator: asyncpg.Connection
) -> None:
    """It refuses the worker itself an event that is not 71 days old."""
    await meter(tester)
    await set_clock(administrator, tester, "2036-01-01T00:00:00Z")
    assert await send(tester, {"meter": "calls"}) == ["ACCEPTED"]
    connection = await asyncpg.connect(worker_url)
    enter = "select set_config('app.organization_id', $1, false)"
    try:
        await connection.execute(enter, str(tester.database.organization_id))
        with pytest.raises(asyncpg.RestrictViolationError):
            await connection.execute("delete from usage_events")
    finally:
        await connection.close()
