"""Leaving under load: processes are told to end, again and again, and no request may be lost.

    PYTHONPATH=. .venv/bin/python bench/drain.py [ROUNDS]

Each round starts `tallygate serve --workers 2`, lets 16 clients write over connections that they keep, and sends
SIGTERM. The clients do as a load balancer does: they go on until /readyz says no (asked every 100 ms), and then send
nothing more.
A request is lost where it was sent and got no answer, or where a customer was stored that nobody was told of.
"""

import asyncio
import sys
import time
from dataclasses import dataclass, field

import asyncpg
import httpx

from app.operations.organization.bootstrap import bootstrap_organization
from app.store.tables.organization import Mode
from bench.processes import PEPPER, database_of, start_server
from bench.scratch import Scratch, scratch_database

ROUNDS = 20
CLIENTS = 16
LOAD_SECONDS = 1.5
CREATE = "mutation($name: String!) { customerCreate(input: { name: $name }) { customer { id } userErrors { code } } }"


@dataclass
class Round:
    """What the clients of a round were told."""

    answered: int = 0
    lost: list[str] = field(default_factory=list)
    leaving: asyncio.Event = field(default_factory=asyncio.Event)


async def main(rounds: int) -> int:
    """Run the rounds; 1 where anything was lost."""
    lost, stored, answered, slowest = 0, 1, 0, 0.0
    async with scratch_database() as scratch:
        async with database_of(scratch) as database:
            made = await bootstrap_organization(
                database, legal_name="Drained", mode=Mode.LIVE, test_clock=None, pepper=PEPPER
            )
        for number in range(1, rounds + 1):
            told, seconds, stored_now = await one_round(scratch, made.api_key)
            unknown = stored_now - stored - told.answered
            stored, answered, slowest = stored_now, answered + told.answered, max(slowest, seconds)
            lost += len(told.lost) + abs(unknown)
            print(
                f"{number:2}: {told.answered} answered, {len(told.lost)} lost, {unknown} stored untold, {seconds:.1f} s"
            )
            for error in told.lost[:3]:
                print(f"    {error}")
    print(f"{rounds} SIGTERMs, {answered} requests, {lost} lost; the slowest took {slowest:.1f} s to end")
    return 1 if lost else 0


async def one_round(scratch: Scratch, api_key: str) -> tuple[Round, float, int]:
    """Serve, load, end; give what the clients heard, the seconds from the signal to the end, and the customers."""
    url, server = await start_server(scratch, "--workers", "2")
    told = Round()
    headers = {"authorization": f"Bearer {api_key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=30) as watcher:
        clients = [asyncio.create_task(client(url, headers, told)) for _ in range(CLIENTS)]
        await asyncio.sleep(LOAD_SECONDS)
        signaled = time.monotonic()
        server.process.terminate()
        while (await watcher.get("/readyz")).status_code == 200:  # noqa: ASYNC110 - it is asked over HTTP
            await asyncio.sleep(0.1)
        told.leaving.set()
        await asyncio.gather(*clients)
    await asyncio.to_thread(server.process.wait)
    seconds = time.monotonic() - signaled
    server.kill()
    return told, seconds, await customers_in(scratch)


async def client(url: str, headers: dict[str, str], told: Round) -> None:
    """Create customers one after the other, until the server is known to leave."""
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=30) as http:
        while not told.leaving.is_set():
            try:
                answer = await http.post("/graphql", json={"query": CREATE, "variables": {"name": "Zyzzyva"}})
                assert answer.json()["data"]["customerCreate"]["userErrors"] == [], answer.text
                told.answered += 1
            except (httpx.TransportError, AssertionError, KeyError, TypeError, ValueError) as error:
                told.lost.append(repr(error))


async def customers_in(scratch: Scratch) -> int:
    """How many customers there are, past row security."""
    connection = await asyncpg.connect(scratch.administrator_url)
    try:
        return await connection.fetchval("select count(*) from customers")
    finally:
        await connection.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else ROUNDS)))
