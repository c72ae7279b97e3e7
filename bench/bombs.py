"""Documents and variables that are made to be expensive: each is answered with a code, and soon.

Each is sent many times, never twice the same, so that no cache helps; meanwhile another organization asks for little.
Ends with 1 where an answer took longer than 250 ms, or had no code.
"""

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from bench.company import found_company
from bench.processes import database_of, start_server
from bench.scratch import scratch_database
from tests.api.bombs import BOMBS

SECONDS_MAX = 0.250
ROUNDS = 30

LARGE: dict[str, dict[str, Any]] = {
    "a list of variables": {"ids": ["x"] * 20_000},
    "variables nested deep": {"ids": {"a": [[[[[{}]]]]] * 5_000}},
    "many variables": {f"v{number}": number for number in range(8_000)},
}


@dataclass
class Measured:
    """How long the answers to one bomb took, and what code they had."""

    seconds: list[float] = field(default_factory=list)
    codes: set[str] = field(default_factory=set)


async def main() -> int:
    """Measure, print, judge."""
    async with scratch_database() as scratch, database_of(scratch) as database:
        attacker, polite = await found_company(database, "Attacker"), await found_company(database, "Polite")
        url, server = await start_server(scratch)
        try:
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
                return await measure(client, attacker.api_key, polite.api_key)
        finally:
            server.stop()


async def measure(client: httpx.AsyncClient, attacker: str, polite: str) -> int:
    """Throw each bomb, one at a time, while the other asks."""
    found: dict[str, Measured] = {}
    others: list[float] = []
    asking = asyncio.create_task(ask_politely(client, polite, others))
    number = itertools.count()
    await asyncio.sleep(1)
    for _ in range(ROUNDS):
        for name, body in bombs():
            body["query"] += f" # {next(number)}"
            measured = found.setdefault(name, Measured())
            begun = time.perf_counter()
            answer = await client.post("/graphql", json=body, headers={"authorization": f"Bearer {attacker}"})
            measured.seconds.append(time.perf_counter() - begun)
            measured.codes |= {error["extensions"]["code"] for error in answer.json()["errors"]}
    asking.cancel()
    print(f"{'bomb':32}{'code':20}{'p50 ms':>8}{'most ms':>9}")
    for name, measured in found.items():
        seconds = sorted(measured.seconds)
        codes = ", ".join(sorted(measured.codes))
        print(f"{name:32}{codes:20}{seconds[len(seconds) // 2] * 1000:8.1f}{seconds[-1] * 1000:9.1f}")
    others.sort()
    print(f"{'(another organization)':52}{others[len(others) // 2] * 1000:8.1f}{others[-1] * 1000:9.1f}")
    slow = [name for name, measured in found.items() if max(measured.seconds) > SECONDS_MAX]
    print(f"\nlonger than {SECONDS_MAX * 1000:.0f} ms: {', '.join(slow) or 'none'}")
    return 1 if slow else 0


def bombs() -> list[tuple[str, dict[str, Any]]]:
    """Each with its name."""
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    return [
        *((name, {"query": document}) for name, document in BOMBS.items()),
        *((name, {"query": query, "variables": variables}) for name, variables in LARGE.items()),
    ]


async def ask_politely(client: httpx.AsyncClient, api_key: str, seconds: list[float]) -> None:
    """A small query, fifty times a second."""
    while True:
        begun = time.perf_counter()
        await client.post(
            "/graphql",
            json={"query": "{ customers(first: 5) { nodes { name } } }"},
            headers={"authorization": f"Bearer {api_key}"},
        )
        seconds.append(time.perf_counter() - begun)
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
