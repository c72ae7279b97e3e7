"""Traces: a span for each request and job, one for each statement in it, and nothing in them that is anybody's."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from app.api.ids import ORGANIZATION, type_id
from app.complaint import Complaint
from app.jobs.running import Patience, Runner
from app.main import application
from app.settings import MetricsSettings, Settings
from app.store.queue.job import Job
from app.store.tenancy import Database
from app.tracing import TENANT, Traces, statement_name
from app.watch import Watch
from tests.caller import Caller
from tests.operations.steps import meter

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@dataclass
class Traced:
    """An application whose spans are kept in memory."""

    http: httpx.AsyncClient
    spans: InMemorySpanExporter


@pytest.fixture(scope="module")
async def traced(settings: Settings) -> AsyncIterator[Traced]:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    watch = Watch(settings, "tallygate", Traces(provider.get_tracer("test")))
    served = application(settings, watch=watch)
    transport = httpx.ASGITransport(app=served)
    async with (
        served.router.lifespan_context(served),
        httpx.AsyncClient(transport=transport, base_url="http://tallygate.test") as http,
    ):
        yield Traced(http, spans)


async def ask(traced: Traced, caller: Caller, query: str, **headers: str) -> tuple[ReadableSpan, list[ReadableSpan]]:
    """The span of a request, and those of its statements."""
    traced.spans.clear()
    caller = Caller(traced.http, caller.api_key, caller.organization_id, caller.database, headers)
    await caller.ask(query)
    spans = traced.spans.get_finished_spans()
    (request,) = [span for span in spans if span.kind is SpanKind.SERVER]
    return request, [span for span in spans if span.kind is SpanKind.CLIENT]


async def test_a_request_is_a_span_and_so_is_each_statement(traced: Traced, owner: Caller) -> None:
    """Under the caller's own, which `traceparent` names; each bears the organization once it is known."""
    query = "query Xyzzy { customers(first: 7) { nodes { name } } }"
    request, statements = await ask(traced, owner, query, traceparent=f"00-{TRACE}-{PARENT}-01")
    assert request.name == "query customers"
    assert request.parent is not None
    assert f"{request.parent.span_id:016x}" == PARENT
    assert f"{request.context.trace_id:032x}" == TRACE
    attributes = dict(request.attributes or {})
    assert attributes.pop("tallygate.request_id")
    assert attributes == {
        TENANT: owner.organization_id,
        "graphql.operation.type": "query",
        "graphql.field": "customers",
        "tallygate.code": "OK",
        "tallygate.planning": "planned",
    }
    assert [span.name for span in statements][-2:] == ["select customers", "rollback"]
    assert {span.parent and span.parent.span_id for span in statements} == {request.context.span_id}
    assert (statements[-2].attributes or {})[TENANT] == owner.organization_id
    assert statements[-2].start_time < statements[-2].end_time


async def test_a_span_holds_nothing_of_anybodys(traced: Traced, owner: Caller) -> None:
    """No document, no variable, no parameter, no name, no key; and no baggage comes in that would be taken for ours."""
    query = 'mutation { customerCreate(input: {name: "Zyzzyva", email: "z@example.com"}) { customer { id } } }'
    request, statements = await ask(traced, owner, query, baggage="tenant=org_plugh")
    told = "".join(span.to_json() for span in (request, *statements))
    for secret in ("Zyzzyva", "z@example.com", "customerCreate(", owner.api_key, "plugh", "$1"):
        assert secret not in told
    assert request.name == "mutation customerCreate"


async def test_a_body_of_usage_is_a_span(traced: Traced, owner: Caller) -> None:
    """Under the caller's own, with how many events came to which verdict; what stores them is below it."""
    await meter(owner)
    traced.spans.clear()
    headers = {"authorization": f"Bearer {owner.api_key}", "content-type": "application/x-ndjson"}
    headers["traceparent"] = f"00-{TRACE}-{PARENT}-01"
    await traced.http.post("/usage", content=b'{"eventId": "zyzzyva", "meter": "calls"}\nplugh', headers=headers)
    spans = traced.spans.get_finished_spans()
    (request,) = [span for span in spans if span.kind is SpanKind.SERVER]
    assert (request.name, request.parent and f"{request.parent.span_id:016x}") == ("usage", PARENT)
    attributes = dict(request.attributes or {})
    assert attributes.pop("tallygate.request_id")
    assert attributes == {
        TENANT: owner.organization_id,
        "tallygate.code": "OK",
        "tallygate.events.accepted": 1,
        "tallygate.events.duplicate": 0,
        "tallygate.events.unmatched": 0,
        "tallygate.events.rejected": 1,
    }
    statements = [span for span in spans if span.kind is SpanKind.CLIENT]
    assert {span.parent and span.parent.span_id for span in statements} == {request.context.span_id}
    (commit,) = [span for span in statements if span.name == "commit"]
    assert (commit.attributes or {})[TENANT] == owner.organization_id
    assert "zyzzyva" not in "".join(span.to_json() for span in spans)


async def test_an_error_is_one_in_the_trace(traced: Traced, owner: Caller) -> None:
    """By its code; what the rules refuse is no error."""
    request, _ = await ask(traced, owner, "{ plugh }")
    assert (request.status.status_code, request.status.description) == (StatusCode.ERROR, "BAD_USER_INPUT")
    refused = 'mutation { customerUpdate(input: {customerId: "nonsense"}) { userErrors { code } } }'
    request, _ = await ask(traced, owner, refused)
    assert request.status.status_code is StatusCode.UNSET
    assert (request.attributes or {})["tallygate.code"] == "REFUSED"


async def test_a_job_is_a_span(traced: Traced, owner: Caller, database: Database) -> None:
    """With its organization, its attempt and what came of it."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(traced.spans))
    traced.spans.clear()

    async def do(_db: object, _payload: object) -> None:
        """Nothing."""

    patience = Patience(2, timedelta(0), timedelta(0))
    runner = Runner(database, patience, {"zork.dig": do}, [Traces(provider.get_tracer("test"))])
    await runner.do(Job(7, "zork.dig", owner.database.organization_id, {}, 1))
    (span,) = traced.spans.get_finished_spans()
    assert span.name == "zork.dig"
    assert dict(span.attributes or {}) == {
        TENANT: type_id(ORGANIZATION, owner.database.organization_id),
        "tallygate.job": 7,
        "tallygate.attempt": 1,
        "tallygate.outcome": "done",
    }


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("select a, b from invoices where x = 'secret'", "select invoices"),
        ("\n  insert into meters (a) values ($1)", "insert meters"),
        ("update organizations set x = 1", "update organizations"),
        ("delete from invoice_line_items where id = 1", "delete invoice_line_items"),
        ("with a as (select 1 from x) select * from plans", "with x"),
        ("commit", "commit"),
        ("begin isolation level read committed; select set_config('app.organization_id', 'x', true)", "begin"),
        ("", "statement"),
    ],
)
def test_a_statement_is_named_by_what_it_does(sql: str, name: str) -> None:
    """To which table; nothing of its conditions."""
    assert statement_name(sql) == name


@pytest.mark.skipif(find_spec("opentelemetry.exporter") is not None, reason="the packages are installed here")
def test_without_its_packages_it_says_which_are_missing() -> None:
    """And how to do without."""
    with pytest.raises(Complaint, match=r"tallygate\[tracing\]"):
        Watch(MetricsSettings(tracing=True), "tallygate")
