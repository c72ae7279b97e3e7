"""How jobs come to be: with the write that wants them, in its organization, and in no other way."""

import contextlib
import json
from datetime import UTC, datetime

import asyncpg
import pytest

from app.domain.job import JobKind
from app.store.queue import enqueue
from tests.jobs.conftest import Place


class Plover(Exception):
    """Nothing of the program's."""


async def test_a_job_comes_with_the_commit_and_goes_with_the_rollback(place: Place) -> None:
    """What is undone was never enqueued."""
    db = await place.organization()
    with contextlib.suppress(Plover):
        async with db.write() as tx:
            assert await enqueue(tx, JobKind.BILLING_RUN, {"until": None}) is not None
            raise Plover
    assert await place.jobs() == []
    async with db.write() as tx:
        made = await enqueue(tx, JobKind.BILLING_RUN, {"until": None})
        assert await place.jobs() == []
    (job,) = await place.jobs()
    assert (job["id"], job["kind"], job["status"]) == (made, "billing.run", "queued")
    assert json.loads(job["payload"]) == {"until": None}
    assert job["organization_id"] == str(db.organization_id)


async def test_a_savepoint_takes_its_jobs_back(place: Place) -> None:
    """A step that is undone inside a transaction enqueues nothing either."""
    db = await place.organization()
    async with db.write() as tx:
        with contextlib.suppress(Plover):
            async with tx.savepoint():
                await enqueue(tx, JobKind.BILLING_RUN)
                raise Plover
    assert await place.jobs() == []


async def test_one_job_for_a_key(place: Place) -> None:
    """While one waits, a second of the same kind and key is none; without a key, and elsewhere, it is."""
    one, other = await place.organization(), await place.organization()
    for db in (one, other):
        async with db.write() as tx:
            assert await enqueue(tx, JobKind.BILLING_RUN, once_key="k") is not None
            assert await enqueue(tx, JobKind.BILLING_RUN, once_key="k") is None
            assert await enqueue(tx, JobKind.IDEMPOTENCY_PURGE, once_key="k") is not None
            assert await enqueue(tx, JobKind.BILLING_RUN) is not None
    assert len(await place.jobs()) == 6


async def test_a_job_may_wait_for_its_time(place: Place) -> None:
    """It is not due before; a time that is over means now."""
    db = await place.organization()
    later = datetime(2199, 1, 1, tzinfo=UTC)
    async with db.write() as tx:
        await enqueue(tx, JobKind.BILLING_RUN, run_at=later)
        await enqueue(tx, JobKind.BILLING_RUN, run_at=datetime(2001, 1, 1, tzinfo=UTC))
        now = tx.now
    assert [job["execute_after"] for job in await place.jobs()] == [later, now]


@pytest.mark.parametrize(
    "statement",
    [
        "select * from queue.pgqueuer",
        "update queue.pgqueuer set headers = null",
        "delete from queue.pgqueuer",
        "insert into queue.pgqueuer (priority, entrypoint, status) values (0, 'billing.run', 'queued')",
        "select * from queue.pgqueuer_log",
        "select nextval('queue.pgqueuer_id_seq')",
        "delete from idempotency_records",
        "select organizations_due_for_billing(null, 9)",
        "select active_organizations('{LIVE}', null, 9)",
    ],
)
async def test_the_app_cannot_touch_the_queue(place: Place, statement: str) -> None:
    """Not read it, not change it, not fill it past the function, and not ask what only the worker may."""
    db = await place.organization()
    connection = await asyncpg.connect(place.app_url)
    await connection.execute("begin")
    await connection.execute("select set_config('app.organization_id', $1, true)", str(db.organization_id))
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
        await connection.execute(statement)
    await connection.close()


async def test_nobody_enqueues_without_an_organization(place: Place) -> None:
    """The function takes it from the transaction: where none is set it raises, and no argument names another."""
    connection = await asyncpg.connect(place.app_url)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="no organization is set"):
        await connection.execute("select enqueue_job('billing.run', '{}', null, null)")
    await connection.close()
    victim = await place.organization()
    db = await place.organization()
    async with db.write() as tx:
        await enqueue(tx, JobKind.BILLING_RUN, {"organization_id": str(victim.organization_id)})
    assert {job["organization_id"] for job in await place.jobs()} == {str(db.organization_id)}
