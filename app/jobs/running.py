"""One job: into its organization, to what does its kind, and what follows where that fails."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol

import structlog

from app.domain.errors import Refusal
from app.domain.job import JobKind
from app.domain.retry import JITTER_STEPS, retry_delay
from app.jobs.billing_run import do_billing_run
from app.jobs.idempotency_purge import do_idempotency_purge
from app.jobs.reservation_expire import do_reservation_expire
from app.jobs.usage_match import do_usage_match
from app.jobs.usage_purge import do_usage_purge
from app.store.queue.job import Handler, Job, TryAgain
from app.store.tenancy import Actor, Database, TenantDatabase

log = structlog.get_logger(__name__)

Work = Callable[[TenantDatabase, Mapping[str, Any]], Awaitable[None]]
"""Does a kind of job inside the organization, with its payload."""

KINDS: Final[Mapping[str, Work]] = {
    JobKind.BILLING_RUN: do_billing_run,
    JobKind.IDEMPOTENCY_PURGE: do_idempotency_purge,
    JobKind.RESERVATION_EXPIRE: do_reservation_expire,
    JobKind.USAGE_MATCH: do_usage_match,
    JobKind.USAGE_PURGE: do_usage_purge,
}


class NoOrganization(Exception):
    """The job names no organization, so there is none to do it in."""


class WorkerDied(Exception):
    """The job was begun as often as it may be, and its worker died each time before it could say why."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a job is tried, and how long it waits in between."""

    attempts_max: int
    first: timedelta
    longest: timedelta


class JobObserver(Protocol):
    """Is told of each attempt at a job."""

    def doing(self, job: Job) -> AbstractContextManager[None]:
        """Is around the attempt."""

    def ended(self, job: Job, outcome: str, seconds: float) -> None:
        """Is told what came of it: done, failed (to be tried again), dead, or interrupted."""


class Runner:
    """Does jobs, each as the worker inside the job's own organization."""

    def __init__(
        self,
        database: Database,
        patience: Patience,
        kinds: Mapping[str, Work] = KINDS,
        observers: Sequence[JobObserver] = (),
    ) -> None:
        self._database = database
        self._patience = patience
        self._kinds = kinds
        self._observers = observers

    def handlers(self) -> dict[str, Handler]:
        """What the queue calls for each kind."""
        return dict.fromkeys(map(str, self._kinds), self.do)

    async def do(self, job: Job) -> None:
        """Do one job. Raises TryAgain where it failed and may yet succeed; anything else makes it a dead letter."""
        started = time.perf_counter()
        outcome = "dead"
        with ExitStack() as stack:
            for observer in self._observers:
                stack.enter_context(observer.doing(job))
            try:
                await self._attempt(job)
                outcome = "done"
            except TryAgain:
                outcome = "failed"
                raise
            except asyncio.CancelledError:
                outcome = "interrupted"
                raise
            finally:
                for observer in self._observers:
                    observer.ended(job, outcome, time.perf_counter() - started)

    async def _attempt(self, job: Job) -> None:
        told = log.bind(job_id=job.id, kind=job.kind, organization_id=str(job.organization_id), attempt=job.attempt)
        if job.organization_id is None:
            told.error("job.refused")
            raise NoOrganization("The job names no organization.")
        if job.attempt > self._patience.attempts_max:
            told.error("job.dead")
            raise WorkerDied("Its worker died each time; look into the workers' logs before you replay it.")
        tenant = self._database.tenant(job.organization_id, Actor("SYSTEM", "tallygate worker", f"job_{job.id}"))
        try:
            await self._kinds[job.kind](tenant, job.payload)
        except Exception as error:
            # A refusal stays one, however often one asks.
            if isinstance(error, Refusal) or job.attempt >= self._patience.attempts_max:
                told.exception("job.dead")
                raise
            told.warning("job.failed", exception=repr(error))
            raise TryAgain(repr(error), self._delay_after(job.attempt)) from error
        told.info("job.done")

    def _delay_after(self, attempt: int) -> timedelta:
        return retry_delay(attempt, self._patience.first, self._patience.longest, secrets.randbelow(JITTER_STEPS + 1))
