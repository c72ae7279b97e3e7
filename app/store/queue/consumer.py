"""Taking jobs and keeping the clock, on pgqueuer: the only module that knows it.

What pgqueuer leaves open is closed here. A job that is cancelled goes back to the queue (pgqueuer would delete it). A
job whose worker died was tried (so that one which kills its workers ends). A lost connection is made anew.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import structlog
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.adapters.persistence.qb import (
    DBSettings,
    Durability,
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.core.sm import SchedulerManager
from pgqueuer.domain import models
from pgqueuer.domain.errors import FailingListenerError, RetryRequested

from app.store.queue.job import Handler, Job, Routine, TryAgain
from app.store.roles import QUEUE_SCHEMA

log = structlog.get_logger(__name__)

CHANNEL: Final = "tallygate_queue"

SETTINGS: Final = DBSettings(
    # All of them, since pgqueuer would take what is left out from the environment.
    prefix="",
    db_schema=QUEUE_SCHEMA,
    channel=CHANNEL,
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
    durability=Durability.durable,
    widen_id=True,
)

_OUTAGES: Final = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # between PostgreSQL's farewell and its hanging up
    FailingListenerError,
)

_COUNT_ATTEMPT: Final = """
update queue.pgqueuer set headers = coalesce(headers, '{}') || jsonb_build_object('attempts', a.number)
from (select coalesce((headers->>'attempts')::integer, 0) + $2 as number from queue.pgqueuer where id = $1) as a
where id = $1 returning a.number
"""

POLL: Final = timedelta(seconds=5)
CONNECTIONS_MAX: Final = 4
CONNECT_SECONDS: Final = 5
RECONNECT_SECONDS: Final = 1
CLOSE_SECONDS: Final = 2


@dataclass(frozen=True, slots=True)
class Terms:
    """How a worker works: how many jobs at once, and how long a job is kept for a worker that says nothing."""

    concurrency: int
    lease: timedelta


class Consumer:
    """One worker's hold on the queue. Any number of them share it; each job is given to one at a time."""

    def __init__(self, url: str, handlers: Mapping[str, Handler], routines: Sequence[Routine], terms: Terms) -> None:
        """`url` is that of a login that may work the queue; `handlers` are named by the kind of job that they do."""
        self._url = url
        self._handlers = handlers
        self._routines = routines
        self._terms = terms
        self._stopping = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        logging.getLogger("pgqueuer").handlers = [_Forwarded(logging.WARNING)]

    async def run(self) -> None:
        """Do jobs and keep the clock until `stop`; then finish what runs. Survives the loss of its connections."""
        loops = [asyncio.create_task(self._keep(self._take_jobs)), asyncio.create_task(self._keep(self._keep_clock))]
        await asyncio.wait(loops, return_when=asyncio.FIRST_EXCEPTION)
        self.stop()
        await asyncio.wait(loops)
        for loop in loops:
            loop.result()

    def stop(self) -> None:
        """Take nothing more. What runs is finished."""
        self._stopping.set()

    def interrupt(self) -> None:
        """Break off what still runs: its transaction is undone, and the job waits for another worker."""
        for task in self._running:
            task.cancel()

    async def _keep(self, work: Callable[[Queries, asyncio.Event], Awaitable[None]]) -> None:
        """Do the work until it is to stop, over and over where connections break."""
        while not self._stopping.is_set():
            shutdown = asyncio.Event()
            watch = asyncio.create_task(_set_after(self._stopping, shutdown))
            try:
                async with _connections(self._url) as pool:
                    await work(_queries(pool), shutdown)
            except _OUTAGES as error:
                log.warning("queue.connection_lost", exception=repr(error))
                await asyncio.sleep(RECONNECT_SECONDS)
            finally:
                watch.cancel()

    async def _take_jobs(self, queries: Queries, shutdown: asyncio.Event) -> None:
        manager = QueueManager(queries, channel=SETTINGS.channel)
        manager.shutdown = shutdown

        def bind(handler: Handler) -> Callable[[models.Job], Awaitable[None]]:
            async def execute(found: models.Job) -> None:
                await self._do(queries, handler, found)

            return execute

        for kind, handler in self._handlers.items():
            manager.entrypoint(kind, on_failure="hold", accepts_context=False)(bind(handler))
        await manager.run(
            dequeue_timeout=min(POLL, self._terms.lease / 3),
            batch_size=max(1, self._terms.concurrency // 2),
            max_concurrent_tasks=self._terms.concurrency,
            heartbeat_timeout=self._terms.lease,
            shutdown_on_listener_failure=True,
        )

    async def _keep_clock(self, queries: Queries, shutdown: asyncio.Event) -> None:
        manager = SchedulerManager(queries)
        manager.shutdown = shutdown

        def bind(routine: Routine) -> Callable[[models.Schedule], Awaitable[None]]:
            async def execute(_schedule: models.Schedule) -> None:
                try:
                    if not await self._finished(asyncio.create_task(_awaited(routine.run()))):
                        log.info("routine.interrupted", kind=routine.name)
                except Exception:
                    log.exception("routine.failed", kind=routine.name)

            return execute

        for routine in self._routines:
            manager.schedule(routine.name, routine.cron, accepts_context=False)(bind(routine))
        await manager.run()

    async def _do(self, queries: Queries, handler: Handler, found: models.Job) -> None:
        """Count the attempt and do the job; tell pgqueuer in its own words what became of it."""
        try:
            counted = await queries.driver.fetch(_COUNT_ATTEMPT, found.id, 1)
        except _OUTAGES as error:
            raise RetryRequested(timedelta(0), repr(error)) from error
        if not counted:
            return  # an operator dropped it just now
        job = _job(found, attempt=int(str(counted[0]["number"])))
        try:
            finished = await self._finished(asyncio.create_task(_awaited(handler(job))))
        except TryAgain as again:
            raise RetryRequested(again.delay, str(again)) from again
        if not finished:
            with contextlib.suppress(*_OUTAGES):
                await queries.driver.fetch(_COUNT_ATTEMPT, found.id, -1)
            raise RetryRequested(timedelta(0), "Its worker was stopped.")

    async def _finished(self, task: asyncio.Task[None]) -> bool:
        """Whether the task came to its end, rather than being cancelled: by `interrupt`, or with its caller."""
        self._running.add(task)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})
        finally:
            self._running.discard(task)
        if task.cancelled():
            return False
        task.result()
        return True


class _PatientQueries(Queries):
    """A retry that cannot be recorded is left to the lease: the job comes back when it runs out."""

    async def retry_job(
        self, job: models.Job, delay: timedelta, traceback_record: models.TracebackRecord | None
    ) -> None:
        try:
            await super().retry_job(job, delay, traceback_record)
        except _OUTAGES as error:
            log.warning("job.retry_not_recorded", job_id=job.id, exception=repr(error))


class _Forwarded(logging.Handler):
    """Pgqueuer's warnings, into our own log. Of jobs that failed, those who do them tell."""

    def emit(self, record: logging.LogRecord) -> None:
        if not str(record.msg).startswith("Exception while processing"):
            error = record.exc_info[1] if record.exc_info else None
            log.warning("queue.trouble", exception=f"{record.getMessage()}: {error!r}")


@asynccontextmanager
async def _connections(url: str) -> AsyncGenerator[asyncpg.Pool]:
    """Connections of the queue's own: pgqueuer reads and writes JSON as text, and listens."""
    pool = await asyncpg.create_pool(
        url, min_size=1, max_size=CONNECTIONS_MAX, command_timeout=30, timeout=CONNECT_SECONDS
    )
    try:
        yield pool
    finally:
        try:
            await asyncio.wait_for(pool.close(), timeout=CLOSE_SECONDS)
        except TimeoutError:  # a connection that broke while pgqueuer listened on it is never given back
            pool.terminate()


def _queries(pool: asyncpg.Pool) -> Queries:
    return _PatientQueries(
        AsyncpgPoolDriver(pool),
        qbe=QueryBuilderEnvironment(SETTINGS),
        qbq=QueryQueueBuilder(SETTINGS),
        qbs=QuerySchedulerBuilder(SETTINGS),
    )


def _job(found: models.Job, attempt: int) -> Job:
    """Read what `enqueue_job` wrote."""
    organization = (found.headers or {}).get("organization_id")
    payload: Any = json.loads(found.payload) if found.payload else {}
    return Job(
        id=found.id,
        kind=found.entrypoint,
        organization_id=None if organization is None else UUID(str(organization)),
        payload=payload,
        attempt=attempt,
    )


async def _awaited(work: Awaitable[None]) -> None:
    await work


async def _set_after(first: asyncio.Event, second: asyncio.Event) -> None:
    await first.wait()
    second.set()
