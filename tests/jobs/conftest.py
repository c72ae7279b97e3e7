"""Workers in this process and in their own, over a database that is theirs: they do whatever job they find."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.domain.job import JobKind
from app.jobs.running import Patience, Runner, Work
from app.operations.organization.bootstrap import bootstrap_organization
from app.settings import WorkerSettings
from app.store.connection import ConnectionPool
from app.store.queue import enqueue
from app.store.queue.consumer import Consumer, Terms
from app.store.queue.job import Routine
from app.store.roles import APP, WORKER
from app.store.tables.organization import Mode
from app.store.tenancy import Actor, Database, TenantDatabase
from app.worker import WorkerDatabase, worker_database
from tests.conftest import PEPPER, Server
from tests.jobs.odd_jobs import ODD_KINDS

ROOT = Path(__file__).parents[2]
PATIENCE = Patience(3, timedelta(milliseconds=50), timedelta(milliseconds=200))


@dataclass
class Place:
    """A database with an empty queue and no active organization but those of the test, seen by each role."""

    app_url: str
    worker_url: str
    app: Database
    worker: WorkerDatabase
    administrator: asyncpg.Connection
    begun_at: datetime

    async def organization(self, *, mode: Mode = Mode.LIVE, time_zone: str = "UTC") -> TenantDatabase:
        """A new organization, as the app sees it."""
        made = await bootstrap_organization(
            self.app, legal_name="Plugh Ltd", mode=mode, test_clock=None, pepper=PEPPER, time_zone=time_zone
        )
        return self.app.tenant(made.organization_id, Actor("SYSTEM", "test", "test"))

    async def enqueue(self, db: TenantDatabase, kind: str, **payload: Any) -> int | None:
        """Enqueue a job as an operation would."""
        async with db.write() as tx:
            return await enqueue(tx, odd(kind), payload)

    async def jobs(self) -> list[asyncpg.Record]:
        """What is in the queue."""
        return await self.administrator.fetch(
            "select id, entrypoint as kind, status::text, headers->>'organization_id' as organization_id, attempts,"
            " convert_from(payload, 'UTF8') as payload, execute_after, updated from queue.pgqueuer order by id"
        )

    async def notes(self) -> list[str]:
        """What odd jobs left, in order."""
        found = await self.administrator.fetch(
            "select action from audit_records where principal = 'tallygate worker' and created_at > $1"
            " order by created_at, id",
            self.begun_at,
        )
        return [row["action"] for row in found]


def odd(kind: str) -> JobKind:
    """A kind that the program does not know."""
    return kind  # ty: ignore[invalid-return-type]


@pytest.fixture(scope="session")
def place_name(clone: Callable[[], str]) -> str:
    """The database that workers and schedules have to themselves, one test after the other."""
    return clone()


@pytest.fixture
async def place(server: Server, place_name: str) -> AsyncIterator[Place]:
    name = place_name
    app_url, worker_url = server.url(name, APP), server.url(name, WORKER)
    pool = ConnectionPool(app_url, size=4)
    await pool.open()
    administrator = await asyncpg.connect(server.url(name))
    await administrator.execute(
        "truncate queue.pgqueuer, queue.pgqueuer_log, queue.pgqueuer_schedules;"
        " update organizations set status = 'ARCHIVED'"
    )
    begun_at = await administrator.fetchval("select clock_timestamp()")
    try:
        async with worker_database(WorkerSettings(database_url=worker_url)) as worker:
            yield Place(app_url, worker_url, Database(pool), worker, administrator, begun_at)
    finally:
        await administrator.close()
        await pool.close()


@contextlib.asynccontextmanager
async def working(
    place: Place, kinds: Mapping[str, Work] = ODD_KINDS, routines: list[Routine] | None = None
) -> AsyncIterator[Consumer]:
    """A worker in this process, stopped at the end."""
    runner = Runner(place.worker.tenants, PATIENCE, kinds)
    terms = Terms(concurrency=4, lease=timedelta(seconds=2))
    consumer = Consumer(place.worker_url, runner.handlers(), routines or [], terms)
    running = asyncio.create_task(consumer.run())
    try:
        yield consumer
    finally:
        consumer.stop()
        await asyncio.wait_for(running, timeout=15)


@contextlib.contextmanager
def worker_process(place: Place) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that does odd jobs, in a process of its own; its lease is a second."""
    environment = {
        **os.environ,
        "DATABASE_URL": place.worker_url,
        "TALLYGATE_JOB_LEASE_SECONDS": "1",
        "TALLYGATE_JOB_RETRY_SECONDS": "0.05",
        "TALLYGATE_JOB_ATTEMPTS_MAX": "2",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.jobs.odd_jobs"], env=environment, cwd=ROOT, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    """Wait for it to hold."""
    deadline = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < deadline, "it never came to hold"
        await asyncio.sleep(0.05)


async def until_done(place: Place) -> None:
    """Wait until nothing waits or runs; dead letters may be left."""

    async def done() -> bool:
        return all(job["status"] == "failed" for job in await place.jobs())

    await until(done)
