"""Two processes of `tallygate serve` on one port: they count together, and leave without losing anything."""

import asyncio
import signal
import subprocess
import time
from collections.abc import Iterator

import asyncpg
import httpx
import pytest

from app.api.ids import parsed
from tests.caller import Caller, Founder
from tests.conftest import served
from tests.ports import free_port
from tests.watch.test_metrics import figure, figures_at

REQUESTS = 30


@pytest.fixture
def two_processes(app_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, subprocess.Popen[bytes], int]]:
    """Their address, the process that started them, and the port of their one page."""
    port = free_port()
    monkeypatch.setenv("TALLYGATE_METRICS_PORT", str(port))
    monkeypatch.setenv("TALLYGATE_LOCK_TIMEOUT_MS", "20000")
    monkeypatch.setenv("TALLYGATE_STATEMENT_TIMEOUT_MS", "20000")
    with served(app_url, "--workers", "2") as (url, process):
        yield url, process, port


async def test_two_processes_are_one(
    two_processes: tuple[str, subprocess.Popen[bytes], int], founder: Founder, administrator: asyncpg.Connection
) -> None:
    """One coherent /metrics; at SIGTERM both say that they are not ready, and finish what they have."""
    url, process, port = two_processes
    owner = await founder.organization()
    caller = await _served_at(url, owner)
    for _ in range(REQUESTS):
        # A connection each, so that both processes get some.
        await caller.post({"query": "{ organization { id } }"})
        await caller.http.aclose()
        caller = await _served_at(url, owner)
    found = figures_at(port)
    assert figure(found, "tallygate_requests_total", type="query", field="organization", code="OK") == REQUESTS
    assert figure(found, "tallygate_organization_requests_total", organization=owner.organization_id) == REQUESTS
    assert figure(found, "tallygate_database_connections", state="max") == 20

    customer = (await owner.change("customerCreate", {"name": "Slow"}, "customer { id }"))["customer"]["id"]
    async with administrator.transaction():
        await administrator.execute("select from customers where id = $1 for update", parsed(customer)[1])
        update = {"customerId": customer, "name": "Late"}
        slow = asyncio.create_task(caller.change("customerUpdate", update, "customer { name }"))
        await _until_somebody_waits(administrator)
        process.send_signal(signal.SIGTERM)
        answer = await _until_leaving(url)
        assert answer.headers["connection"] == "close"
        # It is served still while it says so.
        other = await _served_at(url, owner)
        assert (await other.post({"query": "{ organization { id } }"})).status_code == 200
    assert (await slow)["customer"]["name"] == "Late"
    assert await asyncio.to_thread(process.wait, 15) is not None
    async with httpx.AsyncClient(base_url=url) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get("/livez")


async def _served_at(url: str, owner: Caller) -> Caller:
    http = httpx.AsyncClient(base_url=url, timeout=30)
    return Caller(http, owner.api_key, owner.organization_id, owner.database)


async def _until_somebody_waits(administrator: asyncpg.Connection) -> None:
    deadline = time.monotonic() + 20
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    while not await administrator.fetchval(waiting):
        assert time.monotonic() < deadline, "nobody waits for the row"
        await asyncio.sleep(0.02)


async def _until_leaving(url: str) -> httpx.Response:
    deadline = time.monotonic() + 10
    while True:
        async with httpx.AsyncClient(base_url=url) as http:
            answer = await http.get("/readyz")
        if answer.status_code == 503:
            return answer
        assert time.monotonic() < deadline, "it never said that it leaves"
        await asyncio.sleep(0.02)
