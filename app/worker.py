"""The background process: every concrete thing that does jobs meets here."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from app.jobs.running import KINDS, Patience, Runner, Work
from app.jobs.schedule import Schedule
from app.logs import configure_logs
from app.settings import WorkerSettings
from app.store.connection import ConnectionPool, QueryLogger, Timeouts
from app.store.migration import head_revision
from app.store.queue.dead_letter import DeadLetters
from app.store.queue.depth import QueueDepth
from app.store.system import SystemDatabase
from app.store.tenancy import Database
from app.store.vault.vault import Vault
from app.watch import Watch

log = structlog.get_logger(__name__)

DRAIN_SECONDS: Final = 9
"""For what runs to end; the last of the ten seconds is for giving the rest back to the queue."""

CONNECTIONS_SPARE: Final = 2
"""Beside one for each job: for the schedule."""


@dataclass(frozen=True, slots=True)
class WorkerDatabase:
    """The database as the worker's login opens it."""

    tenants: Database
    system: SystemDatabase
    dead_letters: DeadLetters
    watched: Callable[[Watch], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def worker_database(
    settings: WorkerSettings, logger: QueryLogger | None = None, vault: Vault | None = None
) -> AsyncGenerator[WorkerDatabase]:
    """Connect as the worker. Raises UnsafeDatabase where the wall does not stand or the login is another's."""
    pool = ConnectionPool(
        settings.database_url.get_secret_value(),
        size=settings.worker_concurrency + CONNECTIONS_SPARE,
        timeouts=Timeouts(
            statement=settings.job_statement_timeout_ms, lock=settings.lock_timeout_ms, idle=settings.idle_timeout_ms
        ),
        logger=logger,
    )
    await pool.open()
    try:
        system = SystemDatabase(pool)
        await system.check_wall(head_revision(), worker=True)
        yield WorkerDatabase(
            Database(pool, vault=vault), system, DeadLetters(pool), lambda watch: watch.running(pool, QueueDepth(pool))
        )
    finally:
        await pool.close()


async def work(settings: WorkerSettings, *, parent: int | None = None, kinds: Mapping[str, Work] = KINDS) -> None:
    """Do jobs until SIGTERM or SIGINT; then finish what runs within ten seconds, or give it back to the queue.

    It stops too where `parent`, the id of the process that started this one, is not its parent any more.
    """
    from app.store.queue.consumer import Consumer, Terms  # noqa: PLC0415 - half a second, which commands need not wait

    watch = Watch(settings, "tallygate-worker")
    configure_logs(settings.log_format, watch.trace_id)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with worker_database(settings, watch.query_logger) as database, database.watched(watch):
        runner = Runner(database.tenants, _patience(settings), kinds, watch.of_jobs())
        consumer = Consumer(
            settings.database_url.get_secret_value(),
            runner.handlers(),
            Schedule(
                database.tenants, database.system, database.dead_letters, settings.usage_retention_days
            ).routines(),
            Terms(settings.worker_concurrency, timedelta(seconds=settings.job_lease_seconds)),
        )
        log.info(
            "worker.started",
            revision=head_revision(),
            concurrency=settings.worker_concurrency,
            kinds=sorted(kinds),
            metrics=settings.metrics_address,
            tracing=settings.tracing,
        )
        running = asyncio.create_task(consumer.run())
        watches = [asyncio.create_task(stopping.wait())]
        if parent is not None:
            watches.append(asyncio.create_task(_orphaned(parent)))
        await asyncio.wait([running, *watches], return_when=asyncio.FIRST_COMPLETED)
        consumer.stop()
        _, late = await asyncio.wait([running], timeout=DRAIN_SECONDS)
        if late:
            consumer.interrupt()
        for watch in watches:
            watch.cancel()
        await running
    log.info("worker.stopped")


def _patience(settings: WorkerSettings) -> Patience:
    return Patience(
        settings.job_attempts_max,
        timedelta(seconds=settings.job_retry_seconds),
        timedelta(seconds=settings.job_retry_seconds_max),
    )


async def _orphaned(parent: int) -> None:
    # It is told who its parent is: that may have ended before this process came to ask.
    while os.getppid() == parent:  # noqa: ASYNC110
        await asyncio.sleep(1)  # nothing tells of a parent's end
