"""Events that are sent while the server is killed and PostgreSQL dies: every acknowledged one is there, once.

    PYTHONPATH=. .venv/bin/python bench/faults_ingest.py [rounds]

A real `tallygate serve` on a PostgreSQL whose disk keeps its promises; senders by both roads, all at once. In each
round the server is killed in the midst of it, in every other one PostgreSQL is stopped at once too; then everything
that was sent in the round is sent again, by whichever road. Ends with 1 where an acknowledged event is missing, where
one counts twice, or where the hours are not what the events come to.
"""

import asyncio
import json
import os
import platform
import random
import signal
import sys
import time
from collections.abc import Callable
from uuid import UUID

import asyncpg
import httpx

from app.operations.usage.rebuild import rebuild_usage
from bench.company import Company, found_company
from bench.ingest import RECORD, furnish
from bench.processes import LOG, Running, crashes, database_of, start_server
from bench.scratch import Scratch, scratch_database

ROUNDS = 10
SENDERS = 4
CALLS, EVENTS = 12, 200
PATIENCE_SECONDS = 60

STORED = "select event_id, count(*) from usage_events where organization_id = $1 group by 1"
COUNTED = "select coalesce(sum(events), 0), coalesce(sum(total), 0) from usage_hours where organization_id = $1"


async def main() -> int:
    """Send, kill, send again; then compare. Give 1 where anything does not hold."""
    seed = int(os.environ.get("SEED", random.randrange(10**6)))
    random.seed(seed)
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    LOG.parent.mkdir(parents=True, exist_ok=True)
    LOG.write_bytes(b"")
    print(f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}, SEED={seed}")
    sent, acknowledged = set[str](), set[str]()
    async with scratch_database(durable=True) as scratch:
        async with database_of(scratch) as database:
            company = await found_company(database, "Faults Inc")
            await furnish(company, database, customers=20)
        with crashes() as crash:
            for number in range(rounds):
                told = await _round(scratch, company, number, sent, acknowledged, crash)
                print(f"  round {number + 1}: {told}", flush=True)
        holds = await _compare(scratch, company, sent, acknowledged)
    return int(not holds)


async def _round(
    scratch: Scratch,
    company: Company,
    number: int,
    sent: set[str],
    acknowledged: set[str],
    crash: Callable[[int], None],
) -> str:
    url, server = await start_server(scratch)
    batches = [
        [f"{number}-{sender}-{call}-{n}" for n in range(EVENTS)] for sender in range(SENDERS) for call in range(CALLS)
    ]
    sent.update(event_id for batch in batches for event_id in batch)
    before = len(acknowledged)
    sending = [
        asyncio.create_task(_send(url, company, batches[sender::SENDERS], acknowledged, stop_on_error=True))
        for sender in range(SENDERS)
    ]
    enough = before + random.uniform(0, 0.8) * SENDERS * CALLS * EVENTS
    while len(acknowledged) < enough and not all(each.done() for each in sending):  # noqa: ASYNC110
        await asyncio.sleep(0.002)  # nothing tells of it
    await asyncio.to_thread(_die, server, crash if number % 2 else None)
    await asyncio.gather(*sending)
    in_time = len(acknowledged) - before
    url, server = await start_server(scratch)
    try:
        random.shuffle(batches)
        again = [_send(url, company, batches[sender::SENDERS], acknowledged) for sender in range(SENDERS)]
        await asyncio.gather(*again)
    finally:
        server.stop()
    died = "server and PostgreSQL" if number % 2 else "server"
    return f"{died} killed after {in_time:,} of {SENDERS * CALLS * EVENTS:,} events were acknowledged; all sent again"


def _die(server: Running, crash: Callable[[int], None] | None) -> None:
    if crash is not None:
        crash(signal.SIGQUIT)
        time.sleep(0.2)
    server.kill()


async def _send(
    url: str, company: Company, batches: list[list[str]], acknowledged: set[str], *, stop_on_error: bool = False
) -> None:
    """Send batches by one road or the other; whoever is answered with counts takes its events for acknowledged."""
    headers = {"authorization": f"Bearer {company.api_key}"}
    deadline = time.monotonic() + PATIENCE_SECONDS
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30, trust_env=False) as client:
        for batch in batches:
            while True:
                try:
                    if await _sent(client, batch):
                        acknowledged.update(batch)
                        break
                except (httpx.TransportError, ValueError):
                    pass
                if stop_on_error:
                    return
                if time.monotonic() > deadline:
                    raise AssertionError(f"Nothing is taken any more: see {LOG}.")
                await asyncio.sleep(0.1)


async def _sent(client: httpx.AsyncClient, batch: list[str]) -> bool:
    """Whether the answer says that all of a batch is stored."""
    events = [
        {"eventId": event_id, "meter": "calls", "externalCustomerId": f"customer-{hash(event_id) % 20}"}
        for event_id in batch
    ]
    if random.random() < 0.5:
        answer = (
            await client.post("/graphql", json={"query": RECORD, "variables": {"input": {"events": events}}})
        ).json()
        counts = (answer.get("data") or {}).get("usageRecord")
    else:
        body = "\n".join(map(json.dumps, events))
        response = await client.post("/usage", content=body, headers={"content-type": "application/x-ndjson"})
        answer = counts = response.json()
    return "errors" not in answer and counts["accepted"] + counts["duplicates"] == len(batch)


async def _compare(scratch: Scratch, company: Company, sent: set[str], acknowledged: set[str]) -> bool:
    connection = await asyncpg.connect(scratch.administrator_url)
    try:
        stored = dict(map(tuple, await connection.fetch(STORED, company.id)))
        events, total = await connection.fetchrow(COUNTED, company.id)
    finally:
        await connection.close()
    lost, doubled = acknowledged - stored.keys(), [event_id for event_id, times in stored.items() if times > 1]
    differing = await _differing(scratch, company.id)
    print(
        f"  {len(sent):,} events sent at least twice, {len(acknowledged):,} acknowledged, {len(stored):,} stored;"
        f" lost {len(lost)}, stored twice {len(doubled)}; counted {events:,} (of {total:,} calls);"
        f" hours that differ from their events: {differing}"
    )
    return not lost and not doubled and not differing and len(stored) == len(sent) == events == total


async def _differing(scratch: Scratch, organization_id: UUID) -> int:
    async with database_of(scratch) as database:
        tenant = Company(organization_id, "", {}).tenant(database)
        found, week = await rebuild_usage(tenant)
        while week is not None:
            more, week = await rebuild_usage(tenant, week)
            found += more
        return len(found)


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
