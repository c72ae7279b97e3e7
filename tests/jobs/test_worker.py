"""What becomes of a job: done once, tried again, given up, taken over."""

import asyncio
import signal
from datetime import timedelta

import asyncpg
import pytest

from app.jobs.running import Runner
from app.store.queue.dead_letter import AnotherWaits
from app.store.queue.job import Job, Routine, TryAgain
from tests.jobs.conftest import PATIENCE, Place, until, until_done, worker_process, working
from tests.jobs.odd_jobs import ODD_KINDS
from tests.store.farewell import saying_farewell


async def test_a_job_runs_inside_its_organization_alone(place: Place) -> None:
    """It writes there, as the worker and with the job's id; nothing of it is elsewhere."""
    db, other = await place.organization(), await place.organization()
    job = await place.enqueue(db, "odd.quick")
    async with working(place):
        await until_done(place)
    found = await place.administrator.fetch(
        "select organization_id, principal_kind, principal, request_id from audit_records"
        " where action = 'quick.done' and created_at > $1",
        place.begun_at,
    )
    assert [tuple(row) for row in found] == [(db.organization_id, "SYSTEM", "tallygate worker", f"job_{job}")]
    assert other.organization_id != db.organization_id
    assert await place.jobs() == []


async def test_the_worker_is_bound_by_row_security(place: Place) -> None:
    """Its login sees no tenant's rows outside of one, and only one's inside."""
    db = await place.organization()
    await place.organization()
    connection = await asyncpg.connect(place.worker_url)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="no organization is set"):
        await connection.fetch("select * from organizations")
    async with connection.transaction():
        await connection.execute("select set_config('app.organization_id', $1, true)", str(db.organization_id))
        seen = await connection.fetch("select organization_id from organizations")
    assert [row["organization_id"] for row in seen] == [db.organization_id]
    await connection.close()


async def test_a_job_without_an_organization_is_refused(place: Place) -> None:
    """Somebody put it there by hand: it becomes a dead letter at once, and nothing is done."""
    await place.administrator.execute(
        "insert into queue.pgqueuer (priority, entrypoint, payload, status) values (0, 'odd.quick', '{}', 'queued')"
    )
    async with working(place):
        await until_done(place)
    (letter,) = await place.worker.dead_letters.newest(9)
    assert letter.organization_id is None
    assert "names no organization" in letter.error
    assert await place.notes() == []


async def test_what_fails_is_tried_again_and_then_kept(place: Place) -> None:
    """Three times here, each later than the one before; then it waits for an operator, with the error."""
    db = await place.organization()
    job = await place.enqueue(db, "odd.failing", zork=1)
    async with working(place):
        await until_done(place)
    assert await place.notes() == ["failing.tried"] * 3
    (letter,) = await place.worker.dead_letters.newest(9)
    assert (letter.id, letter.kind, letter.organization_id) == (job, "odd.failing", db.organization_id)
    assert letter.attempts == 3
    assert letter.error == "ZeroDivisionError: the frobnicator is off by none"
    assert "odd_jobs.py" in letter.traceback
    assert letter.payload == '{"zork": 1}'


async def test_a_refusal_is_not_asked_again(place: Place) -> None:
    """The rules would refuse it again."""
    await place.enqueue(await place.organization(), "odd.refused")
    async with working(place):
        await until_done(place)
    assert await place.notes() == ["refused.tried"]
    (letter,) = await place.worker.dead_letters.newest(9)
    assert "No zorkmid has this id." in letter.error


async def test_each_failure_waits_longer(place: Place) -> None:
    """Up to half of the time is left to chance, so that what failed together does not come back together."""
    db = await place.organization()
    runner = Runner(place.worker.tenants, PATIENCE, ODD_KINDS)
    for attempt, longest in ((1, 50), (2, 100)):
        with pytest.raises(TryAgain, match="frobnicator") as caught:
            await runner.do(Job(1, "odd.failing", db.organization_id, {}, attempt))
        assert timedelta(milliseconds=longest / 2) <= caught.value.delay <= timedelta(milliseconds=longest)
    with pytest.raises(ZeroDivisionError):
        await runner.do(Job(1, "odd.failing", db.organization_id, {}, 3))


async def test_a_dead_letter_is_replayed_from_its_first_attempt(place: Place) -> None:
    """Its cause was mended; until then it fails as often as before. What was replayed is no dead letter any more."""
    db = await place.organization()
    job = await place.enqueue(db, "odd.failing")
    async with working(place):
        await until_done(place)
        assert await place.worker.dead_letters.replay(job)
        assert not await place.worker.dead_letters.replay(job)
        await until_done(place)
    assert await place.notes() == ["failing.tried"] * 6
    assert await place.worker.dead_letters.replay(job)
    async with working(place, ODD_KINDS | {"odd.failing": ODD_KINDS["odd.quick"]}):
        await until_done(place)
    assert await place.jobs() == []
    assert await place.worker.dead_letters.find(job) is None


async def test_a_dead_letter_is_dropped(place: Place) -> None:
    """Once; what is no dead letter is not dropped."""
    db = await place.organization()
    job = await place.enqueue(db, "odd.refused")
    assert not await place.worker.dead_letters.drop(job)
    async with working(place):
        await until_done(place)
    assert await place.worker.dead_letters.drop(job)
    assert not await place.worker.dead_letters.drop(job)
    assert await place.jobs() == []


async def test_a_replay_makes_way_for_one_that_waits(place: Place) -> None:
    """Two jobs of one kind and key never wait at once."""
    db = await place.organization()
    job = await place.enqueue(db, "odd.refused")
    async with working(place):
        await until_done(place)
    await place.administrator.execute("update queue.pgqueuer set dedupe_key = 'zork'")
    await place.administrator.execute(
        "insert into queue.pgqueuer (priority, entrypoint, status, dedupe_key) values (0, 'none', 'queued', 'zork')"
    )
    with pytest.raises(AnotherWaits):
        await place.worker.dead_letters.replay(job)


async def test_many_workers_do_each_job_once(place: Place) -> None:
    """Three of them, and sixty jobs."""
    db = await place.organization()
    for number in range(60):
        await place.enqueue(db, "odd.quick", name=str(number))
    async with working(place), working(place), working(place):
        await until_done(place)
    assert sorted(await place.notes()) == sorted(f"quick.{number}" for number in range(60))


async def test_a_killed_workers_job_is_done_by_another(place: Place) -> None:
    """kill -9 while it runs: when its lease is over, another takes it up and finishes it."""
    db = await place.organization()
    await place.enqueue(db, "odd.slow", seconds=0.5)
    with worker_process(place) as first:

        async def begun() -> bool:
            return "slow.begun" in await place.notes()

        await until(begun)
        first.kill()
        first.wait()
    assert [job["status"] for job in await place.jobs()] == ["picked"]
    with worker_process(place):
        await until_done(place)
    assert await place.notes() == ["slow.begun", "slow.begun", "slow.ended"]
    assert await place.jobs() == []


async def test_a_job_that_kills_its_workers_ends(place: Place) -> None:
    """Each death counts as an attempt, so that it does not go round for ever."""
    db = await place.organization()
    await place.enqueue(db, "odd.deadly")
    for _ in range(2):
        with worker_process(place) as worker:
            assert await asyncio.to_thread(worker.wait, 20) == -signal.SIGKILL
    with worker_process(place):
        await until_done(place)
    assert await place.notes() == ["deadly.begun"] * 2
    (letter,) = await place.worker.dead_letters.newest(9)
    assert "worker died each time" in letter.error


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_a_job_finish(place: Place, how: signal.Signals) -> None:
    """What runs is finished, what waits is left, and the process ends with 0."""
    db = await place.organization()
    await place.enqueue(db, "odd.slow", seconds=1)
    with worker_process(place) as worker:

        async def begun() -> bool:
            return "slow.begun" in await place.notes()

        await until(begun)
        worker.send_signal(how)
        await asyncio.sleep(0.2)
        await place.enqueue(db, "odd.quick")
        assert await asyncio.to_thread(worker.wait, 10) == 0
    assert await place.notes() == ["slow.begun", "slow.ended"]
    assert [job["kind"] for job in await place.jobs()] == ["odd.quick"]


async def test_what_takes_too_long_to_finish_goes_back(place: Place) -> None:
    """Its attempt does not count, and nothing of what it had not committed is there."""
    db = await place.organization()
    await place.enqueue(db, "odd.slow", seconds=60)
    async with working(place) as worker:

        async def begun() -> bool:
            return "slow.begun" in await place.notes()

        await until(begun)
        worker.stop()
        worker.interrupt()
    (job,) = await place.jobs()
    assert job["status"] == "queued"
    assert await place.administrator.fetchval("select headers->>'attempts' from queue.pgqueuer") == "0"
    assert await place.notes() == ["slow.begun"]


async def test_a_routine_is_done_once_by_all_workers(place: Place) -> None:
    """Every second, by one of two; one that fails is done again the next time."""
    done: list[str] = []

    async def count() -> None:
        done.append("x")
        raise ZeroDivisionError

    routines = [Routine("zork", "* * * * * *", count)]
    async with working(place, routines=routines), working(place, routines=routines):
        await asyncio.sleep(4.2)
    assert 2 <= len(done) <= 5


async def test_a_worker_outlives_its_connections(place: Place) -> None:
    """PostgreSQL cuts them all, as a restart does, while a job runs: it connects anew, and the job is not lost."""
    db = await place.organization()
    async with working(place):
        await place.enqueue(db, "odd.slow", seconds=1)

        async def begun() -> bool:
            return "slow.begun" in await place.notes()

        await until(begun)
        await place.administrator.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where usename = 'tallygate_worker' and datname = current_database()"
        )
        await place.enqueue(db, "odd.quick", name="after")
        await until_done(place)
    notes = await place.notes()
    assert "slow.ended" in notes
    assert "quick.after" in notes
    assert await place.worker.dead_letters.newest(9) == []


async def test_a_worker_outlives_a_farewell_between_two_statements(place: Place) -> None:
    """PostgreSQL says that it goes while the worker asks nothing: it connects anew, and no job is a dead letter."""
    db = await place.organization()
    async with saying_farewell(place.worker_url) as (url, say_farewell, hang_up):
        place.worker_url = url
        async with working(place):
            await place.enqueue(db, "odd.quick", name="before")
            await until_done(place)
            await say_farewell()
            await place.enqueue(db, "odd.quick", name="after")
            await asyncio.sleep(0.5)
            await hang_up()
            await until_done(place)
    assert await place.notes() == ["quick.before", "quick.after"]
    assert await place.worker.dead_letters.newest(9) == []
