"""What a process counts of itself; nothing here is loaded where no port is set. The page of it is in `exposition.py`.

All labels are of bounded kinds: names of the schema, codes, verdicts, kinds of jobs, and of organizations only so many.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any, Final
from uuid import UUID

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from app.api.ids import ORGANIZATION, type_id
from app.api.observer import Seen
from app.api.tenancy import Tenant
from app.store.connection import ConnectionPool
from app.store.queue.depth import QueueDepth
from app.store.queue.job import Job
from app.web.observer import Taken

ORGANIZATIONS_KNOWN_MAX: Final = 1_000
"""Of how many organizations a process keeps figures of their own; those of others are taken together."""

OTHER: Final = "other"

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

USAGE_SECONDS: Final = (0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)

JOB_SECONDS: Final = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)

SAMPLED_EVERY_SECONDS: Final = 5.0

ORGANIZATION_LABEL: Final = "organization"

disable_created_metrics()


class OrganizationMetrics:
    """Counts by organization, for as many as are known; `registry` is None where several processes count together."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self._requests = Counter(
            "tallygate_organization_requests",
            "Requests of the busiest organizations; the others are taken together as `other`.",
            [ORGANIZATION_LABEL],
            registry=registry,
        )
        self._seconds = Counter(
            "tallygate_organization_request_seconds",
            "How long requests of the busiest organizations took, in all.",
            [ORGANIZATION_LABEL],
            registry=registry,
        )
        self._found: dict[UUID, tuple[Any, Any]] = {}

    def answered(self, organization_id: UUID, seconds: float) -> None:
        """Count a request of an organization."""
        requests, total = self._of(organization_id)
        requests.inc()
        total.inc(seconds)

    def _of(self, organization_id: UUID) -> tuple[Any, Any]:
        found = self._found.get(organization_id)
        if found is None:
            is_known = len(self._found) < ORGANIZATIONS_KNOWN_MAX
            name = type_id(ORGANIZATION, organization_id) if is_known else OTHER
            found = self._requests.labels(name), self._seconds.labels(name)
            if is_known:
                self._found[organization_id] = found
        return found


class RequestMetrics:
    """Counts GraphQL requests: an observer of the endpoint."""

    def __init__(self, registry: CollectorRegistry | None, organizations: OrganizationMetrics) -> None:
        self._organizations = organizations
        self._requests = Counter(
            "tallygate_requests",
            "GraphQL requests by operation type, root field and outcome: OK, REFUSED or the first error's code.",
            ["type", "field", "code"],
            registry=registry,
        )
        self._seconds = Histogram(
            "tallygate_request_seconds",
            "How long GraphQL requests took to be answered.",
            ["type", "field"],
            buckets=SECONDS,
            registry=registry,
        )
        self._planning = Counter(
            "tallygate_query_plans",
            "Queries by how they were answered (planned, declined, repeated), and why not by their plan.",
            ["outcome", "reason"],
            registry=registry,
        )
        # Finding a series by its labels costs more than counting: each is found once.
        self._found: dict[tuple[str, str, str], tuple[Any, Any]] = {}
        self._plans: dict[tuple[str, str], Any] = {}

    def entered(self, tenant: Tenant) -> None:
        """Nothing is counted before there is an answer."""

    def answered(self, seen: Seen, code: str, seconds: float) -> None:
        """Count a request."""
        key = (*seen.operation, code)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = (self._requests.labels(*key), self._seconds.labels(*key[:2]))
        found[0].inc()
        found[1].observe(seconds)
        if seen.context is not None and seen.context.planning is not None:
            plan = (str(seen.context.planning), seen.context.unplanned_because or "")
            if plan not in self._plans:
                self._plans[plan] = self._planning.labels(*plan)
            self._plans[plan].inc()
        if seen.tenant is not None:
            self._organizations.answered(seen.tenant.organization_id, seconds)


class UsageMetrics:
    """Counts bodies of usage and their events: an observer of their endpoint."""

    def __init__(self, registry: CollectorRegistry | None, organizations: OrganizationMetrics) -> None:
        self._organizations = organizations
        self._requests = Counter(
            "tallygate_usage_requests",
            "POST /usage by outcome: OK, or the code of what ended the body early.",
            ["code"],
            registry=registry,
        )
        self._seconds = Histogram(
            "tallygate_usage_request_seconds",
            "How long POST /usage took, its body's coming in included.",
            buckets=USAGE_SECONDS,
            registry=registry,
        )
        self._events = Counter(
            "tallygate_usage_events", "Events that came by POST /usage, by verdict.", ["verdict"], registry=registry
        )

    def let_in(self, organization_id: UUID) -> None:
        """Nothing is counted before there is an answer."""

    def took(self, taken: Taken, code: str, seconds: float) -> None:
        """Count a request and its events."""
        self._requests.labels(code).inc()
        self._seconds.observe(seconds)
        for verdict, count in taken.events.items():
            self._events.labels(verdict).inc(count)
        if taken.organization_id is not None:
            self._organizations.answered(taken.organization_id, seconds)


class JobMetrics:
    """Counts jobs: an observer of the worker's runner."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._jobs = Counter(
            "tallygate_jobs",
            "Attempts at jobs by kind and outcome: done, failed, dead.",
            ["kind", "outcome"],
            registry=registry,
        )
        self._seconds = Histogram(
            "tallygate_job_seconds", "How long attempts at jobs took.", ["kind"], buckets=JOB_SECONDS, registry=registry
        )

    def doing(self, job: Job) -> AbstractContextManager[None]:  # noqa: ARG002
        """Nothing is counted before it ended."""
        return nullcontext()

    def ended(self, job: Job, outcome: str, seconds: float) -> None:
        """Count an attempt."""
        self._jobs.labels(job.kind, outcome).inc()
        self._seconds.labels(job.kind).observe(seconds)


Sample = Callable[[], Awaitable[None]]
"""Notes how something is now."""


def pool_sample(registry: CollectorRegistry | None, pool: ConnectionPool) -> Sample:
    """What notes how many database connections there are and are in use."""
    connections = Gauge(
        "tallygate_database_connections",
        "Connections of the pool: in use, open, and the most that there may be.",
        ["state"],
        registry=registry,
        multiprocess_mode="livesum",
    )

    async def sample() -> None:
        use = pool.use
        connections.labels("in_use").set(use.in_use)
        connections.labels("open").set(use.open)
        connections.labels("max").set(use.size)

    return sample


def queue_sample(registry: CollectorRegistry, queue: QueueDepth) -> Sample:
    """What notes how full the queue is. Every worker gives the same figures: take the greatest, not the sum."""
    jobs = Gauge(
        "tallygate_queue_jobs", "Jobs by kind and state: waiting, running, dead.", ["kind", "state"], registry=registry
    )
    oldest = Gauge(
        "tallygate_queue_oldest_seconds",
        "For how long the oldest job that is due has waited.",
        ["kind"],
        registry=registry,
    )

    async def sample() -> None:
        depths = await queue.by_kind()
        jobs.clear()
        oldest.clear()
        for depth in depths:
            jobs.labels(depth.kind, "waiting").set(depth.waiting)
            jobs.labels(depth.kind, "running").set(depth.running)
            jobs.labels(depth.kind, "dead").set(depth.dead)
            oldest.labels(depth.kind).set(depth.oldest_seconds)

    return sample


@asynccontextmanager
async def sampling(*samples: Sample) -> AsyncGenerator[None]:
    """Take samples every few seconds meanwhile; one that fails is taken again the next time."""

    async def repeat() -> None:
        while True:
            for sample in samples:
                with contextlib.suppress(Exception):
                    await sample()
            await asyncio.sleep(SAMPLED_EVERY_SECONDS)

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        task.cancel()
