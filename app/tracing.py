"""Traces by OpenTelemetry, off unless asked for: a span for each request or job, and one for each SQL statement in it.

Spans hold names, codes and the organization; never a document, a variable, a parameter of a statement or a credential.
"""

import re
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Final, Protocol
from uuid import UUID

from opentelemetry import baggage, context, trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.ids import ORGANIZATION, type_id
from app.api.observer import OK, REFUSED, Seen
from app.api.tenancy import Tenant
from app.complaint import Complaint
from app.store.queue.job import Job
from app.web.observer import Taken

TENANT: Final = "tenant"
"""The organization's name in the baggage, and as an attribute of spans."""

_VERB: Final = re.compile(r"\s*([a-z]+)", re.IGNORECASE)
_TABLE: Final = re.compile(r"\b(?:from|into|update)\s+([a-z_.]+)", re.IGNORECASE)
_SPANS: Final = {"/graphql": "graphql", "/usage": "usage"}
"""By path, what a request's span is called before more is known of it."""

_PROPAGATED: Final = frozenset({"traceparent", "tracestate"})


class _LoggedQuery(Protocol):
    """What the pool tells of a statement."""

    @property
    def query(self) -> str: ...

    @property
    def elapsed(self) -> float: ...

    @property
    def exception(self) -> BaseException | None: ...


def traces_to_otlp(service: str) -> "Traces":
    """Traces that are sent by OTLP over HTTP, to where the OTEL_EXPORTER_OTLP_ variables say.

    Raises Complaint where the packages for it are not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 # ty: ignore
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise Complaint(
            "TALLYGATE_TRACING needs packages that are not installed: install tallygate[tracing], or leave it unset."
        ) from error
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Traces(provider.get_tracer("tallygate"), provider.shutdown)


class Traces:
    """Traces requests, jobs and statements: an observer of the endpoint (in a span of `TracingApp`) and the runner."""

    def __init__(self, tracer: trace.Tracer, close: Callable[[], None] = lambda: None) -> None:
        """`close` sends what was not sent yet."""
        self.tracer = tracer
        self.close = close

    def entered(self, tenant: Tenant) -> None:
        """Name the organization in the span and in the baggage of all that follows."""
        self._name(tenant.organization_id)

    def answered(self, seen: Seen, code: str, seconds: float) -> None:  # noqa: ARG002 - spans know the time
        """Name the span by what was asked for, and say what came of it."""
        kind, field = seen.operation
        span = trace.get_current_span()
        span.update_name(f"{kind} {field}")
        span.set_attributes({"graphql.operation.type": kind, "graphql.field": field, "tallygate.code": code})
        if seen.context is not None:
            span.set_attribute("tallygate.request_id", seen.context.request_id)
            span.set_attribute("tallygate.planning", str(seen.context.planning or "none"))
        if code not in (OK, REFUSED):
            span.set_status(Status(StatusCode.ERROR, code))

    def let_in(self, organization_id: UUID) -> None:
        """Name the organization of a body of usage, likewise."""
        self._name(organization_id)

    def took(self, taken: Taken, code: str, seconds: float) -> None:  # noqa: ARG002 - spans know the time
        """Say what came of a body of usage."""
        span = trace.get_current_span()
        span.set_attributes({"tallygate.code": code, "tallygate.request_id": taken.request_id})
        span.set_attributes({f"tallygate.events.{verdict.lower()}": count for verdict, count in taken.events.items()})
        if code != OK:
            span.set_status(Status(StatusCode.ERROR, code))

    def _name(self, organization_id: UUID) -> None:
        name = type_id(ORGANIZATION, organization_id)
        trace.get_current_span().set_attribute(TENANT, name)
        # The request's task ends with it, and its context too: there is nothing to detach.
        context.attach(baggage.set_baggage(TENANT, name))

    def trace_id(self) -> str | None:
        """The id of the trace that goes on here; None where there is none."""
        span = trace.get_current_span().get_span_context()
        return trace.format_trace_id(span.trace_id) if span.is_valid else None

    def ended_statement(self, query: _LoggedQuery) -> None:
        """Trace a statement that ended just now, under what the task that ran it is in."""
        name, attributes = statement_name(query.query), {"db.system.name": "postgresql"}
        tenant = baggage.get_baggage(TENANT)
        if isinstance(tenant, str):
            attributes[TENANT] = tenant
        ended_at = time.time_ns()
        started_at = ended_at - int(query.elapsed * 1_000_000_000)
        span = self.tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes, start_time=started_at)
        if query.exception is not None:
            span.set_status(Status(StatusCode.ERROR, type(query.exception).__name__))
        span.end(ended_at)

    @contextmanager
    def doing(self, job: Job) -> Generator[None]:
        """Trace a job."""
        tenant = "none" if job.organization_id is None else type_id(ORGANIZATION, job.organization_id)
        attributes = {TENANT: tenant, "tallygate.job": job.id, "tallygate.attempt": job.attempt}
        entered = context.attach(baggage.set_baggage(TENANT, tenant))
        try:
            with self.tracer.start_as_current_span(
                job.kind, kind=SpanKind.CONSUMER, attributes=attributes, record_exception=False
            ):
                yield
        finally:
            context.detach(entered)

    def ended(self, job: Job, outcome: str, seconds: float) -> None:  # noqa: ARG002
        """Say what came of a job."""
        trace.get_current_span().set_attribute("tallygate.outcome", outcome)


class TracingApp:
    """An application whose requests are spans, probes aside: children of the caller's where `traceparent` names one."""

    def __init__(self, app: ASGIApp, traces: Traces) -> None:
        self._app = app
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on inside a span."""
        name = _SPANS.get(scope["path"]) if scope["type"] == "http" else None
        if name is None:
            await self._app(scope, receive, send)
            return
        parent = TraceContextTextMapPropagator().extract(_carrier(scope), context.Context())
        with self._traces.tracer.start_as_current_span(
            name, parent, kind=SpanKind.SERVER, record_exception=False, set_status_on_exception=True
        ):
            await self._app(scope, receive, send)


def _carrier(scope: Scope) -> Mapping[str, str]:
    """The caller's trace context and nothing else: no baggage comes in, for the tenant is the credential's."""
    headers = ((name.decode("latin-1"), value) for name, value in scope["headers"])
    return {name: value.decode("latin-1") for name, value in headers if name in _PROPAGATED}


@lru_cache(maxsize=2_000)
def statement_name(sql: str) -> str:
    """What a statement does to which table, as `select invoices`; nothing of its parameters or conditions."""
    found = [pattern.search(sql) for pattern in (_VERB, _TABLE)]
    return " ".join(each[1].lower() for each in found if each) or "statement"
