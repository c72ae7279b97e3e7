"""What is enqueued when, and for whom."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.domain.daily import next_daily_run
from app.domain.job import JobKind
from app.jobs.running import KINDS
from app.jobs.schedule import Schedule
from app.operations.organization.update import update_organization
from app.store.tables.organization import Mode
from app.store.tenancy import TenantDatabase
from tests.jobs.conftest import Place, until_done, working


def schedule(place: Place) -> Schedule:
    return Schedule(place.worker.tenants, place.worker.system, place.worker.dead_letters, 400)


async def next_run(place: Place, db: TenantDatabase) -> datetime | None:
    return await place.administrator.fetchval(
        "select next_billing_run_at from organizations where organization_id = $1", db.organization_id
    )


async def make_due(place: Place, *tenants: TenantDatabase) -> None:
    """As if a day had gone by."""
    await place.administrator.execute(
        "update organizations set next_billing_run_at = now() - interval '1 minute' where organization_id = any($1)",
        [db.organization_id for db in tenants],
    )


def at_five_past(instant: datetime | None, zone: str) -> bool:
    assert instant is not None
    local = instant.astimezone(ZoneInfo(zone))
    return (local.hour, local.minute, local.second, local.microsecond) == (0, 5, 0, 0)


async def test_a_live_organization_is_billed_at_five_past_midnight(place: Place) -> None:
    """From its founding on, by its own wall clock; a TEST organization never is of itself."""
    for zone in ("UTC", "Asia/Kathmandu", "America/Sao_Paulo", "Pacific/Apia"):
        run = await next_run(place, await place.organization(time_zone=zone))
        assert at_five_past(run, zone)
        assert run is not None
        assert timedelta(0) < run - datetime.now(UTC) <= timedelta(days=1, hours=1)
    assert await next_run(place, await place.organization(mode=Mode.TEST)) is None


async def test_another_time_zone_moves_the_run(place: Place) -> None:
    """To its own 00:05; any other change leaves it, and TEST still has none."""
    live, test = await place.organization(), await place.organization(mode=Mode.TEST)
    before = await next_run(place, live)
    await update_organization(live, {"legal_name": "Frobozz Ltd"})
    assert await next_run(place, live) == before
    for db in (live, test):
        await update_organization(db, {"time_zone": "Asia/Kathmandu"})
    assert at_five_past(await next_run(place, live), "Asia/Kathmandu")
    assert await next_run(place, test) is None


async def test_who_is_due_is_enqueued_once(place: Place) -> None:
    """Each in its own organization, however many ask at once; the next run is tomorrow's."""
    due = [await place.organization(time_zone=zone) for zone in ("UTC", "Asia/Kathmandu", "America/New_York")]
    await place.organization()
    await make_due(place, *due)
    await asyncio.gather(*(schedule(place).bill_who_is_due() for _ in range(3)))
    jobs = await place.jobs()
    assert {job["organization_id"] for job in jobs} == {str(db.organization_id) for db in due}
    assert [(job["kind"], job["payload"]) for job in jobs] == [("billing.run", '{"until": null}')] * 3
    assert at_five_past(await next_run(place, due[1]), "Asia/Kathmandu")
    await schedule(place).bill_who_is_due()
    assert len(await place.jobs()) == 3


async def test_who_is_not_live_and_active_is_left_alone(place: Place) -> None:
    """A suspended organization changes nothing, and a TEST organization lives by its own clock."""
    suspended, test = await place.organization(), await place.organization(mode=Mode.TEST)
    await make_due(place, suspended, test)
    await place.administrator.execute(
        "update organizations set status = 'SUSPENDED' where organization_id = $1", suspended.organization_id
    )
    await schedule(place).bill_who_is_due()
    assert await place.jobs() == []


async def test_an_error_in_one_keeps_no_other_from_its_run(place: Place) -> None:
    """Its time zone is nonsense; the others are enqueued, and it stays due."""
    tenants = [await place.organization() for _ in range(3)]
    await make_due(place, *tenants)
    await place.administrator.execute(
        "update organizations set time_zone = 'Mars/Olympus' where organization_id = $1", tenants[1].organization_id
    )
    await schedule(place).bill_who_is_due()
    assert {job["organization_id"] for job in await place.jobs()} == {
        str(db.organization_id) for db in (tenants[0], tenants[2])
    }
    assert next_daily_run(datetime.now(UTC), ZoneInfo("UTC")) == await next_run(place, tenants[0])


async def test_the_jobs_of_the_schedule_are_done(place: Place) -> None:
    """Billing and purging, by the kinds that the program knows: every kind has something that does it."""
    assert set(KINDS) == set(JobKind)
    db = await place.organization()
    await make_due(place, db)
    await schedule(place).bill_who_is_due()
    await schedule(place).purge()
    assert sorted(job["kind"] for job in await place.jobs()) == [
        "billing.run",
        "idempotency.purge",
        "usage.purge",
    ]
    async with working(place, KINDS):
        await until_done(place)
    assert await place.jobs() == []


async def keys(place: Place) -> Mapping[str, Any]:
    found = await place.administrator.fetch(
        "select organization_id::text || ' ' || key as key from idempotency_records"
    )
    return {row["key"] for row in found}


async def test_the_purge_takes_what_expired_of_its_organization(place: Place) -> None:
    """More than a batch of it; what is kept stays, and so does what is another's until its own purge."""
    one, other = await place.organization(), await place.organization()
    for db, days, count in ((one, 8, 1_500), (one, 6, 3), (other, 8, 2)):
        await place.administrator.execute(
            """
            insert into idempotency_records
              (organization_id, principal_id, field, key, fingerprint, document, answer, created_at)
            select $1, gen_random_uuid(), 'x', $2 || ' ' || n, decode(repeat('00', 32), 'hex'),
                   decode(repeat('00', 32), 'hex'), '1', now() - make_interval(days => $2::text::integer)
            from generate_series(1, $3) n
            """,
            db.organization_id,
            str(days),
            count,
        )
    await place.enqueue(one, JobKind.IDEMPOTENCY_PURGE)
    async with working(place, KINDS):
        await until_done(place)
    expected = {f"{one.organization_id} 6 {n}" for n in (1, 2, 3)} | {f"{other.organization_id} 8 {n}" for n in (1, 2)}
    assert await keys(place) == expected
    assert await place.worker.dead_letters.newest(9) == []
