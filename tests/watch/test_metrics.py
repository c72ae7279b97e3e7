"""/metrics: what a process counts of its requests and jobs, and of whom."""

import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from app.api.observer import OK, Seen
from app.api.tenancy import Principal, Tenant
from app.domain.role import Role
from app.exposition import exposed
from app.jobs.running import Patience, Runner
from app.main import application
from app.metrics import ORGANIZATIONS_KNOWN_MAX, JobMetrics, OrganizationMetrics, RequestMetrics, queue_sample
from app.settings import MetricsSettings, Settings
from app.store.query import new_id
from app.store.queue.depth import KindDepth
from app.store.queue.job import Job, TryAgain
from app.store.tenancy import Database
from tests.caller import Caller
from tests.conftest import MASTER_KEY
from tests.operations.steps import meter
from tests.ports import free_port

Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def figures_at(port: int) -> Figures:
    """What the page says: a value for each name and labels."""
    page = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def figure(figures: Figures, name: str, **labels: str) -> float:
    return figures.get((name, tuple(sorted(labels.items()))), 0)


@pytest.fixture(scope="module")
async def watched(settings: Settings) -> AsyncIterator[tuple[httpx.AsyncClient, int]]:
    """An application that counts, and the port of its page."""
    port = free_port()
    served = application(settings.model_copy(update={"metrics_port": port}))
    transport = httpx.ASGITransport(app=served)
    async with (
        served.router.lifespan_context(served),
        httpx.AsyncClient(transport=transport, base_url="http://tallygate.test") as http,
    ):
        yield http, port


async def test_requests_are_counted_by_field_and_outcome(watched: tuple[httpx.AsyncClient, int], owner: Caller) -> None:
    """Names are those of the schema: an operation's own name, an alias and an unknown field make no new series."""
    http, port = watched
    caller = Caller(http, owner.api_key, owner.organization_id, owner.database)
    await caller.ask("query Xyzzy { plugh: organization { id } }")
    await caller.ask("{ organization { id } plans { totalCount } }")
    await caller.ask("{ plugh }")
    await caller.ask("{ __schema { queryType { name } } }")
    refused = {"customerId": "cus_01h455vb4pex5vsknk084sn02q", "name": "Nobody"}
    await caller.attempt("customerUpdate", refused, "customer { id }")
    await http.post("/graphql", json={"query": "{ organization { id } }"})
    found = figures_at(port)
    counted = {labels: value for (name, labels), value in found.items() if name == "tallygate_requests_total"}
    assert {tuple(value for _, value in labels): value for labels, value in counted.items()} == {
        ("OK", "organization", "query"): 1,
        ("OK", "many", "query"): 1,
        ("BAD_USER_INPUT", "none", "none"): 1,
        ("OK", "__schema", "query"): 1,
        ("REFUSED", "customerUpdate", "mutation"): 1,
        ("UNAUTHENTICATED", "none", "none"): 1,
    }
    assert figure(found, "tallygate_request_seconds_count", type="query", field="organization") == 1
    assert figure(found, "tallygate_query_plans_total", outcome="planned", reason="") == 2
    assert figure(found, "tallygate_query_plans_total", outcome="declined", reason="introspection") == 1
    assert figure(found, "tallygate_organization_requests_total", organization=owner.organization_id) == 5
    assert figure(found, "tallygate_database_connections", state="max") == 10
    assert "xyzzy" not in str(found).lower()
    assert "plugh" not in str(found)


async def test_bodies_of_usage_are_counted_beside_them(watched: tuple[httpx.AsyncClient, int], owner: Caller) -> None:
    """By what came of them, also where they ended early; their events by verdict; their organization as any other."""
    http, port = watched
    await meter(owner)
    before = figures_at(port)
    known = b'{"eventId": "e", "meter": "calls"}\n'
    headers = {"authorization": f"Bearer {owner.api_key}", "content-type": "application/x-ndjson"}
    await http.post("/usage", content=known * 3 + b'{"eventId": "f", "meter": "plugh"}\nxyzzy', headers=headers)
    await http.post("/usage", content=known, headers={"content-type": "application/x-ndjson"})
    await http.post("/usage", content=b"[", headers={**headers, "content-type": "application/cloudevents-batch+json"})
    found = figures_at(port)

    def grown(name: str, **labels: str) -> float:
        return figure(found, name, **labels) - figure(before, name, **labels)

    for code in ("OK", "UNAUTHENTICATED", "BAD_USER_INPUT"):
        assert grown("tallygate_usage_requests_total", code=code) == 1
    for verdict, count in (("ACCEPTED", 1), ("DUPLICATE", 2), ("UNMATCHED", 1), ("REJECTED", 1)):
        assert grown("tallygate_usage_events_total", verdict=verdict) == count
    assert grown("tallygate_usage_request_seconds_count") == 3
    assert grown("tallygate_organization_requests_total", organization=owner.organization_id) == 2
    assert "plugh" not in str(found)


def seen_of(organization: Tenant) -> Seen:
    return Seen(tenant=organization)


def somebody() -> Tenant:
    home = new_id()
    return Tenant(home, Principal("API_KEY", new_id(), "key", Role.OWNER, home))


def test_organizations_are_bounded_in_number() -> None:
    """The busiest by name, all others together, however many there are; nothing is lost of the sum."""
    registry = CollectorRegistry()
    metrics = RequestMetrics(registry, OrganizationMetrics(registry))
    busy = [somebody(), somebody()]
    for _ in range(3):
        for organization in busy:
            metrics.answered(seen_of(organization), OK, 0.5)
    for _ in range(ORGANIZATIONS_KNOWN_MAX + 50):
        metrics.answered(seen_of(somebody()), OK, 0.25)
    port = free_port()
    with exposed(MetricsSettings(metrics_port=port, metrics_organizations=2), registry):
        found = figures_at(port)
    requests = {labels: value for (name, labels), value in found.items() if "organization_requests" in name}
    assert sorted(requests.values()) == [3, 3, ORGANIZATIONS_KNOWN_MAX + 50]
    assert figure(found, "tallygate_organization_requests_total", organization="other") == ORGANIZATIONS_KNOWN_MAX + 50
    seconds = (ORGANIZATIONS_KNOWN_MAX + 50) * 0.25
    assert figure(found, "tallygate_organization_request_seconds_total", organization="other") == seconds


async def test_jobs_are_counted_by_kind_and_outcome(database: Database) -> None:
    """Done, to be tried again, and given up."""

    async def do(_db: object, payload: object) -> None:
        if payload:
            raise ZeroDivisionError

    registry = CollectorRegistry()
    patience = Patience(2, timedelta(0), timedelta(0))
    runner = Runner(database, patience, {"zork.dig": do}, [JobMetrics(registry)])
    for payload, attempt in (({}, 1), ({"depth": 1}, 1), ({"depth": 1}, 2)):
        with contextlib.suppress(TryAgain, ZeroDivisionError):
            await runner.do(Job(1, "zork.dig", new_id(), payload, attempt))
    for outcome in ("done", "failed", "dead"):
        assert registry.get_sample_value("tallygate_jobs_total", {"kind": "zork.dig", "outcome": outcome}) == 1
    assert registry.get_sample_value("tallygate_job_seconds_count", {"kind": "zork.dig"}) == 3


async def test_the_queue_is_shown_as_it_is() -> None:
    """A kind that is gone is not shown as it was."""

    class Queue:
        depths: tuple[KindDepth, ...] = (KindDepth("zork.dig", 3, 2, 1, 77),)

        async def by_kind(self) -> tuple[KindDepth, ...]:
            return self.depths

    registry, queue = CollectorRegistry(), Queue()
    sample = queue_sample(registry, queue)  # ty: ignore
    await sample()
    for state, count in (("waiting", 3), ("running", 2), ("dead", 1)):
        assert registry.get_sample_value("tallygate_queue_jobs", {"kind": "zork.dig", "state": state}) == count
    assert registry.get_sample_value("tallygate_queue_oldest_seconds", {"kind": "zork.dig"}) == 77
    queue.depths = ()
    await sample()
    assert registry.get_sample_value("tallygate_queue_jobs", {"kind": "zork.dig", "state": "dead"}) is None


WITHOUT = """
import sys
from app.cli import app
from app.serving import application
from app.settings import Settings
made = application(Settings(database_url="postgresql://nobody@localhost/nothing"))
assert made.middleware_stack is None
unwanted = {"prometheus_client", "app.metrics", "app.exposition", "app.tracing"}
print(sorted(unwanted & sys.modules.keys()))
"""


def test_where_nothing_is_wanted_nothing_is_loaded() -> None:
    """No library, no observer, no middleware."""
    secret = "x" * 40
    environment = {"TALLYGATE_API_KEY_PEPPER": secret, "TALLYGATE_CURSOR_SECRET": secret}
    environment |= {"TALLYGATE_MASTER_KEY": MASTER_KEY}
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], env=environment, cwd=root, capture_output=True, text=True, check=False
    )
    assert done.stdout == "[]\n", done.stderr
