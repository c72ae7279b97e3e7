"""Usage events a second, durable, deduplicated and counted, through `usageRecord` and through `POST /usage`.

    PYTHONPATH=. .venv/bin/python bench/ingest.py [--events 200000] [--workers 1] [--mebibytes 1024]

A real `tallygate serve` on a PostgreSQL whose disk keeps its promises (fsync and synchronous_commit on), callers over
HTTP on the same machine. Events are of 200 customers with a subscription each, of the last hours, with two properties.
Each road is measured with new events, then with the same ones again. Then one body of many mebibytes goes through, most
of whose lines are refused. Ends with 1 where a road takes fewer events a second than it must, where what was counted is
not what was sent, or where a long body takes more memory than a short one. The bound is for a machine that does nothing
else; the CPU of an event says more where it does.
"""

import argparse
import asyncio
import os
import platform
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import quantiles
from typing import Any

import asyncpg
import httpx
import orjson

from app.domain.period import Interval
from app.domain.plan import BillingTiming
from app.domain.usage import Aggregation
from app.operations.customer.create import NewCustomer, create_customer
from app.operations.meter.create import NewMeter, create_meter
from app.operations.plan.create import NewPlan, create_plan
from app.operations.plan.publish import publish_plan
from app.operations.subscription.create import NewSubscription, create_subscription
from app.store.embedded.folder import DataFolder
from app.store.tenancy import Database
from bench.company import CALLS, Company, found_company
from bench.processes import LOG, Running, database_of, start_server
from bench.scratch import FOLDER, Scratch, scratch_database

BATCH = 1_000
CALLERS = 4
CUSTOMERS = 200
EVENTS_A_SECOND_MIN = 10_000
WARM = 5
MEBIBYTE = 2**20
MEGABYTES_MAX = 300
"""Of a server that has taken a body of any length."""

RECORD = """
mutation Record($input: UsageRecordInput!) {
  usageRecord(input: $input) {
    accepted duplicates unmatched rejected results { index verdict message } userErrors { code message }
  }
}
"""
COUNTED = "select coalesce(sum(events), 0), coalesce(sum(total), 0) from usage_hours where organization_id = $1"

Send = Callable[[httpx.AsyncClient, bytes], Awaitable[int]]
"""Sends a batch and gives how many of its events were accepted."""


@dataclass(frozen=True)
class Road:
    """A way in: how a batch of events is written, and how it is sent."""

    name: str
    written: Callable[[list[dict[str, Any]]], bytes]
    media_type: str
    path: str
    accepted: Callable[[Any], int]


def _as_mutation(events: list[dict[str, Any]]) -> bytes:
    return orjson.dumps({"query": RECORD, "variables": {"input": {"events": events}}})


def _as_lines(events: list[dict[str, Any]]) -> bytes:
    return b"\n".join(orjson.dumps(event) for event in events) + b"\n"


def _as_cloud_events(events: list[dict[str, Any]]) -> bytes:
    return orjson.dumps(
        [
            {
                "specversion": "1.0",
                "id": event["eventId"],
                "source": event["source"],
                "type": event["meter"],
                "subject": event["externalCustomerId"],
                "time": event["occurredAt"],
                "data": {"quantity": event["quantity"], "properties": event["properties"]},
            }
            for event in events
        ]
    )


def _of_payload(answer: Any) -> int:
    return answer["data"]["usageRecord"]["accepted"]


ROADS = (
    Road("usageRecord", _as_mutation, "application/json", "/graphql", _of_payload),
    Road("POST /usage, NDJSON", _as_lines, "application/x-ndjson", "/usage", lambda answer: answer["accepted"]),
    Road(
        "POST /usage, CloudEvents",
        _as_cloud_events,
        "application/cloudevents-batch+json",
        "/usage",
        lambda answer: answer["accepted"],
    ),
)


async def main() -> int:
    """Measure each road; 1 where a bound does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--mebibytes", type=int, default=1_024)
    parser.add_argument("--road", choices=range(len(ROADS)), type=int, action="append")
    options = parser.parse_args()
    LOG.parent.mkdir(parents=True, exist_ok=True)
    print(f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}")
    failed = 0
    async with scratch_database(durable=True) as scratch:
        for place in options.road or range(len(ROADS)):
            failed |= await _measure(scratch, ROADS[place], options.events // BATCH, options.workers)
        if options.mebibytes:
            failed |= await _long_body(scratch, options.mebibytes)
    return failed


async def _long_body(scratch: Scratch, mebibytes: int) -> int:
    """Send one body of lines of 16 KiB, each of which but one in 64 holds a field that there is not."""
    async with database_of(scratch) as database:
        company = await found_company(database, "A long body")
        await furnish(company, database, customers=1)
    url, server = await start_server(scratch)
    headers = {"authorization": f"Bearer {company.api_key}", "content-type": "application/x-ndjson"}
    padding = b"x" * 16_320
    refused = [b'{"eventId":"r","meter":"calls","padding":"%s"}\n' % padding] * 63

    async def body() -> AsyncIterator[bytes]:
        for number in range(mebibytes):
            yield b"".join([b'{"eventId":"%d","meter":"calls","customerId":null}\n' % number, *refused])

    try:
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=600, trust_env=False) as client:
            began = time.perf_counter()
            answer = (await client.post("/usage", content=body())).json()
            seconds = time.perf_counter() - began
        peak = _megabytes(server.process.pid)
    finally:
        server.stop()
    print(f"\nOne body of {mebibytes:,} MiB: {seconds:.0f} s; server {peak:.0f} MB")
    print(
        f"  accepted {answer['accepted']:,}, rejected {answer['rejected']:,}, of these told {len(answer['results']):,}"
    )
    holds = (answer["accepted"], answer["rejected"]) == (mebibytes, 63 * mebibytes) and "errors" not in answer
    return int(not holds or peak > MEGABYTES_MAX)


async def _measure(scratch: Scratch, road: Road, batches: int, workers: int) -> int:
    async with database_of(scratch) as database:
        company = await found_company(database, road.name)
        await furnish(company, database)
    url, server = await start_server(scratch, "--workers", str(workers))
    try:
        bodies = [road.written(events) for events in _batches(batches + WARM)]
        async with _client(url, company, road) as client:
            for body in bodies[:WARM]:
                await _sent(client, road, body)
            new = await _timed(client, road, server, bodies[WARM:])
            again = await _timed(client, road, server, bodies[WARM:])
    finally:
        server.stop()
    counted = await _counted(scratch, company)
    print(f"\n{road.name}: {batches * BATCH:,} events, {CALLERS} callers, {BATCH:,} a call")
    print(f"  new         {new}")
    print(f"  sent again  {again}")
    wanted = (batches + WARM) * BATCH
    holds = counted == (wanted, wanted) and (new.accepted, again.accepted) == (batches * BATCH, 0)
    fast = new.events_a_second >= EVENTS_A_SECOND_MIN
    print(f"  counted     {counted[0]:,} events, {counted[1]:,} calls: {'as sent' if holds else 'NOT AS SENT'}")
    if not fast:
        print(f"  TOO SLOW: {EVENTS_A_SECOND_MIN:,} a second are wanted")
    return int(not (holds and fast))


async def furnish(company: Company, database: Database, customers: int = CUSTOMERS) -> None:
    """Give an organization a meter, a plan that counts it, and customers with a subscription each."""
    tenant = company.tenant(database)
    await create_meter(tenant, NewMeter("calls", "Calls", None, Aggregation.SUM, None))
    plan = NewPlan("pro", "Pro", None, "USD", 2_900, Interval.MONTH, 1, BillingTiming.IN_ARREARS, [CALLS])
    await publish_plan(tenant, await create_plan(tenant, plan))
    began = datetime.now(UTC) - timedelta(days=2)
    for number in range(customers):
        customer = await create_customer(tenant, NewCustomer(f"Customer {number}", external_id=f"customer-{number}"))
        await create_subscription(tenant, NewSubscription(customer, "pro", None, 1, began, None, None))


def _batches(count: int) -> Iterator[list[dict[str, Any]]]:
    now = datetime.now(UTC)
    for batch in range(count):
        yield [
            {
                "eventId": f"{batch}-{number}",
                "source": "bench",
                "meter": "calls",
                "externalCustomerId": f"customer-{(batch * 7 + number) % CUSTOMERS}",
                "quantity": "1",
                "occurredAt": (now - timedelta(seconds=(batch * BATCH + number) * 0.05 % 10_000)).isoformat(),
                "properties": {"region": f"eu-{number % 3}", "path": f"/v1/things/{number}"},
            }
            for number in range(BATCH)
        ]


@dataclass(frozen=True)
class Figures:
    """What a run over all batches came to: seconds of the clock and of each side's CPU, and times of a call."""

    accepted: int
    events: int
    seconds: float
    server_seconds: float
    database_seconds: float
    call_seconds: list[float]
    megabytes: float

    @property
    def events_a_second(self) -> float:
        """By the clock."""
        return self.events / self.seconds

    def __str__(self) -> str:
        cuts = quantiles(self.call_seconds, n=100)
        return (
            f"{self.events_a_second:,.0f} events/s; a call p50 {cuts[49] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms;"
            f" CPU an event: server {self.server_seconds / self.events * 1e6:.0f} us,"
            f" PostgreSQL {self.database_seconds / self.events * 1e6:.0f} us; server {self.megabytes:.0f} MB"
        )


async def _timed(client: httpx.AsyncClient, road: Road, server: Running, bodies: list[bytes]) -> Figures:
    left = iter(bodies)
    accepted, calls = [], []

    async def call_on() -> None:
        for body in left:
            began = time.perf_counter()
            accepted.append(await _sent(client, road, body))
            calls.append(time.perf_counter() - began)

    postmaster = DataFolder(FOLDER / "durable").server()
    assert postmaster is not None
    before = _cpu_seconds(server.process.pid), _cpu_seconds(postmaster.pid)
    began = time.perf_counter()
    await asyncio.gather(*(call_on() for _ in range(CALLERS)))
    seconds = time.perf_counter() - began
    after = _cpu_seconds(server.process.pid), _cpu_seconds(postmaster.pid)
    return Figures(
        sum(accepted),
        len(bodies) * BATCH,
        seconds,
        after[0] - before[0],
        after[1] - before[1],
        calls,
        _megabytes(server.process.pid),
    )


async def _sent(client: httpx.AsyncClient, road: Road, body: bytes) -> int:
    response = await client.post(road.path, content=body)
    answer = orjson.loads(response.content)
    if "errors" in answer:
        raise AssertionError(f"{road.name} answered {answer['errors']}: see {LOG}.")
    return road.accepted(answer)


def _client(url: str, company: Company, road: Road) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {company.api_key}", "content-type": road.media_type}
    return httpx.AsyncClient(base_url=url, headers=headers, timeout=60, trust_env=False)


def _family(pid: int) -> list[int]:
    """A process and those below it."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return [pid, *(member for child in children for member in _family(child))]


def _cpu_seconds(pid: int) -> float:
    """CPU that a process and those below it have used."""
    return sum(
        int((task / "schedstat").read_text().split()[0]) / 1e9
        for member in _family(pid)
        for task in Path(f"/proc/{member}/task").iterdir()
    )


def _megabytes(pid: int) -> float:
    """The most memory that the largest of a process and those below it has had."""
    return max(
        int(line.split()[1]) / 1024
        for member in _family(pid)
        for line in Path(f"/proc/{member}/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    )


async def _counted(scratch: Scratch, company: Company) -> tuple[int, Decimal]:
    connection = await asyncpg.connect(scratch.administrator_url)
    try:
        row = await connection.fetchrow(COUNTED, company.id)
    finally:
        await connection.close()
    return int(row[0]), Decimal(row[1])


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
