"""What watches a process: counting and tracing, put together as its settings ask for it, and loaded only then."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp

from app.api.observer import Observer
from app.jobs.running import JobObserver
from app.settings import MetricsSettings
from app.store.connection import ConnectionPool, QueryLogger
from app.web.observer import UsageObserver

if TYPE_CHECKING:
    from app.metrics import OrganizationMetrics, Sample
    from app.store.queue.depth import QueueDepth
    from app.tracing import Traces


class Watch:
    """Who is told of what happens in this process: nobody, unless a port for /metrics is set or traces are wanted."""

    def __init__(self, settings: MetricsSettings, service: str, traces: "Traces | None" = None) -> None:
        """`service` is the process's name in traces, which go to `traces` where it is given, else by OTLP.

        Raises Complaint where the packages for that are missing.
        """
        self._settings = settings
        self._registry: Any = None
        self._traces = traces
        if settings.metrics_port:
            from app.exposition import own_registry  # noqa: PLC0415 - a tenth of a second, where it is not wanted

            self._registry = own_registry()
        if settings.tracing and traces is None:
            from app.tracing import traces_to_otlp  # noqa: PLC0415

            self._traces = traces_to_otlp(service)

    @cached_property
    def _organizations(self) -> "OrganizationMetrics":
        from app.metrics import OrganizationMetrics  # noqa: PLC0415

        return OrganizationMetrics(self._registry)

    @property
    def trace_id(self) -> Callable[[], str | None] | None:
        """What gives the id of the trace that goes on, for the logs."""
        return None if self._traces is None else self._traces.trace_id

    @property
    def query_logger(self) -> QueryLogger | None:
        """Who is told of each SQL statement."""
        return None if self._traces is None else self._traces.ended_statement

    def of_requests(self) -> Sequence[Observer]:
        """Who is told of each GraphQL request."""
        watching: list[Observer] = [] if self._traces is None else [self._traces]
        if self._settings.metrics_port:
            from app.metrics import RequestMetrics  # noqa: PLC0415

            watching.append(RequestMetrics(self._registry, self._organizations))
        return watching

    def of_usage(self) -> Sequence[UsageObserver]:
        """Who is told of each body of usage."""
        watching: list[UsageObserver] = [] if self._traces is None else [self._traces]
        if self._settings.metrics_port:
            from app.metrics import UsageMetrics  # noqa: PLC0415

            watching.append(UsageMetrics(self._registry, self._organizations))
        return watching

    def of_jobs(self) -> Sequence[JobObserver]:
        """Who is told of each job."""
        watching: list[JobObserver] = [] if self._traces is None else [self._traces]
        if self._settings.metrics_port:
            from app.metrics import JobMetrics  # noqa: PLC0415

            watching.append(JobMetrics(self._registry))
        return watching

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application, with its requests traced where that is wanted."""
        if self._traces is None:
            return app
        from app.tracing import TracingApp  # noqa: PLC0415

        return TracingApp(app, self._traces)

    @asynccontextmanager
    async def running(self, pool: ConnectionPool, queue: "QueueDepth | None" = None) -> AsyncGenerator[None]:
        """Take samples and serve /metrics meanwhile; as one of several processes, count for the parent that serves."""
        async with AsyncExitStack() as stack:
            if self._settings.metrics_port:
                from app.exposition import exposed  # noqa: PLC0415
                from app.metrics import pool_sample, queue_sample, sampling  # noqa: PLC0415

                samples: list[Sample] = [pool_sample(self._registry, pool)]
                if queue is not None:
                    samples.append(queue_sample(self._registry, queue))
                await stack.enter_async_context(sampling(*samples))
                if self._registry is not None:
                    stack.enter_context(exposed(self._settings, self._registry))
            if self._traces is not None:
                # What was not sent yet goes out now: the process ends by its signal and asks nobody then.
                stack.push_async_callback(asyncio.to_thread, self._traces.close)
            yield


@contextmanager
def several_processes(settings: MetricsSettings) -> Generator[None]:
    """Serve /metrics meanwhile for the processes that are started, which count into a folder together."""
    with ExitStack() as stack:
        if settings.metrics_port:
            from app.exposition import exposed, shared_folder  # noqa: PLC0415

            stack.enter_context(exposed(settings, stack.enter_context(shared_folder())))
        yield
