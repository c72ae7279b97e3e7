"""What a process counts of itself, and the page that Prometheus reads; nothing here is loaded where no port is set.

Several processes that serve one port write what they count into files of a shared folder, and their parent adds it up.
All labels are of bounded kinds: names of the schema, codes, kinds of jobs, and of organizations only the busiest.
"""

import asyncio
import contextlib
import os
import re
import tempfile
from collections import Counter as Tally
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample as Figure

from app.api.ids import ORGANIZATION, type_id
from app.api.observer import Seen
from app.api.tenancy import Tenant
from app.settings import MetricsSettings
from app.store.connection import ConnectionPool
from app.store.queue.depth import QueueDepth
from app.store.queue.job import Job

FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus-client keeps what several processes count; read when it is imported."""

ORGANIZATIONS_KNOWN_MAX: Final = 1_000
"""Of how many organizations a process keeps figures of their own; those of others are taken together."""

OTHER: Final = "other"

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

JOB_SECONDS: Final = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)

SAMPLED_EVERY_SECONDS: Final = 5.0

_ORGANIZATION: Final = "organization"
_LIVE: Final = re.compile(r"gauge_live\w+_([0-9]+)\.db")

disable_created_metrics()


class RequestMetrics:
    """Counts requests: an observer of the endpoint."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        """`registry` is None where several processes count into one folder."""
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
        self._of_organizations = Counter(
            "tallygate_organization_requests",
            "GraphQL requests of the busiest organizations; the others are taken together as `other`.",
            [_ORGANIZATION],
            registry=registry,
        )
        self._organization_seconds = Counter(
            "tallygate_organization_request_seconds",
            "How long GraphQL requests of the busiest organizations took, in all.",
            [_ORGANIZATION],
            registry=registry,
        )
        # Finding a series by its labels costs more than counting: each is found once.
        self._found: dict[tuple[str, str, str], tuple[Any, Any]] = {}
        self._plans: dict[tuple[str, str], Any] = {}
        self._organizations: dict[UUID, tuple[Any, Any]] = {}

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
            requests, total = self._of(seen.tenant.organization_id)
            requests.inc()
            total.inc(seconds)

    def _of(self, organization_id: UUID) -> tuple[Any, Any]:
        found = self._organizations.get(organization_id)
        if found is None:
            is_known = len(self._organizations) < ORGANIZATIONS_KNOWN_MAX
            name = type_id(ORGANIZATION, organization_id) if is_known else OTHER
            found = self._of_organizations.labels(name), self._organization_seconds.labels(name)
            if is_known:
                self._organizations[organization_id] = found
        return found


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


def own_registry() -> CollectorRegistry | None:
    """Where this process counts: in a registry of its own, or in its parent's folder (None)."""
    return None if FOLDER_VARIABLE in os.environ else CollectorRegistry()


@contextmanager
def shared_folder() -> Generator[Path]:
    """A folder in which processes that are started meanwhile count together."""
    with tempfile.TemporaryDirectory(prefix="tallygate-metrics-") as name:
        os.environ[FOLDER_VARIABLE] = name
        try:
            yield Path(name)
        finally:
            del os.environ[FOLDER_VARIABLE]


@contextmanager
def exposed(settings: MetricsSettings, source: CollectorRegistry | Path) -> Generator[None]:
    """Serve /metrics meanwhile, in a thread of its own. `source` is a registry, or the folder of several processes."""
    collector = source if isinstance(source, CollectorRegistry) else _OfProcesses(source)
    shown = CollectorRegistry()
    shown.register(_Folded(collector, settings.metrics_organizations))
    server, thread = start_http_server(settings.metrics_port, settings.metrics_host, registry=shown)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=1)


class _OfProcesses(Collector):
    """What several processes counted; of those that are gone what they did, and not how they are."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._collector = MultiProcessCollector(None, str(folder))

    def collect(self) -> Iterable[Metric]:
        for file in self._folder.iterdir():
            found = _LIVE.fullmatch(file.name)
            if found is not None and not _is_running(int(found[1])):
                file.unlink(missing_ok=True)
        return self._collector.collect()


def _is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


class _Folded(Collector):
    """What another collector gives, with all organizations but the busiest taken together."""

    def __init__(self, inner: Any, most: int) -> None:
        self._inner = inner
        self._most = most

    def collect(self) -> Iterable[Metric]:
        families: Sequence[Metric] = list(self._inner.collect())
        shown = self._busiest(families)
        for family in families:
            if any(_ORGANIZATION in sample.labels for sample in family.samples):
                family.samples = _folded(family.samples, shown)
            yield family

    def _busiest(self, families: Sequence[Metric]) -> set[str]:
        requests: Tally[str] = Tally()
        for family in families:
            if family.name == "tallygate_organization_requests":
                requests.update({sample.labels[_ORGANIZATION]: sample.value for sample in family.samples})
        requests.pop(OTHER, None)
        return {name for name, _ in requests.most_common(self._most)}


def _folded(samples: Iterable[Figure], shown: set[str]) -> list[Figure]:
    together: dict[tuple[str, str], float] = {}
    for sample in samples:
        name = sample.labels[_ORGANIZATION]
        key = sample.name, name if name in shown else OTHER
        together[key] = together.get(key, 0) + sample.value
    return [Figure(name, {_ORGANIZATION: organization}, value) for (name, organization), value in together.items()]
