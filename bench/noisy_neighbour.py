"""One organization floods a server, another goes on asking: what the flood does to the other's answers.

A polite organization asks for a page of invoices, fifty times a second, whatever becomes of it. In every other span a
second one asks for a page ten times as large on 64 connections at once, from a process of its own, and asks again as
soon as it was answered or refused. Ends with 1 where the polite one's p99 is more than twice what it is in quiet.
"""

import asyncio
import multiprocessing
import statistics
import time
from collections import Counter

import httpx

from bench.company import company_with
from bench.processes import database_of, start_server
from bench.scratch import scratch_database

RATIO_MAX = 2.0
SPANS = 8
SPAN_SECONDS = 5
EVERY_SECONDS = 0.02
CONNECTIONS = 64
SUBSCRIPTIONS = 120

POLITE = "{ subscriptions(first: 10) { nodes { id status plan { key } customer { name } } } }"
FLOOD = "{ subscriptions(first: 100) { nodes { id status plan { key name } customer { name email } version } } }"


async def main() -> int:
    """Measure, print, judge."""
    async with scratch_database() as scratch, database_of(scratch) as database:
        polite = await company_with(database, "Polite", SUBSCRIPTIONS, months=1)
        flood = await company_with(database, "Flood", SUBSCRIPTIONS, months=1)
        url, server = await start_server(scratch)
        try:
            quiet, loud, told = await measure(url, polite.api_key, flood.api_key)
        finally:
            server.stop()
    print(f"{'':14}{'answers':>9}{'p50 ms':>9}{'p99 ms':>9}")
    for name, seconds in (("in quiet", quiet), ("in the flood", loud)):
        hundredths = statistics.quantiles(seconds, n=100)
        print(f"{name:14}{len(seconds):9}{hundredths[49] * 1000:9.2f}{hundredths[98] * 1000:9.2f}")
    print(f"the flood was told: {', '.join(f'{code} {count}' for code, count in told.items())}")
    ratio = statistics.quantiles(loud, n=100)[98] / statistics.quantiles(quiet, n=100)[98]
    print(f"\np99 is {ratio:.2f} times that in quiet, at most {RATIO_MAX:.0f} is wanted")
    return 0 if ratio <= RATIO_MAX else 1


async def measure(url: str, polite: str, flood: str) -> tuple[list[float], list[float], Counter[int]]:
    """Seconds in quiet and in the flood, and what the flood was told; spans of both in turn."""
    quiet: list[float] = []
    loud: list[float] = []
    told: Counter[int] = Counter()
    await ask(url, polite, SPAN_SECONDS)
    context = multiprocessing.get_context("spawn")
    for span in range(SPANS):
        if span % 2 == 0:
            quiet += await ask(url, polite, SPAN_SECONDS)
            continue
        answers = context.Queue()
        flooding = context.Process(target=flood_for, args=(url, flood, SPAN_SECONDS + 2, answers))
        flooding.start()
        await asyncio.sleep(1.5)
        loud += await ask(url, polite, SPAN_SECONDS)
        told += await asyncio.to_thread(answers.get)
        flooding.join()
    return quiet, loud, told


async def ask(url: str, api_key: str, seconds: float) -> list[float]:
    """Ask at fixed instants, whether or not the last answer is there, and give how long each took."""
    taken: list[float] = []
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:

        async def once() -> None:
            begun = time.perf_counter()
            answer = await client.post(
                "/graphql", json={"query": POLITE}, headers={"authorization": f"Bearer {api_key}"}
            )
            taken.append(time.perf_counter() - begun)
            if "errors" in answer.json():
                raise AssertionError(answer.text)

        async with asyncio.TaskGroup() as group:
            until = time.perf_counter() + seconds
            while time.perf_counter() < until:
                group.create_task(once())
                await asyncio.sleep(EVERY_SECONDS)
    return taken


def flood_for(url: str, api_key: str, seconds: float, answers: "multiprocessing.Queue[Counter[int]]") -> None:
    """Ask without a pause on many connections."""

    async def run() -> Counter[int]:
        told: Counter[int] = Counter()
        until = time.perf_counter() + seconds
        limits = httpx.Limits(max_connections=None)

        async def one(client: httpx.AsyncClient) -> None:
            while time.perf_counter() < until:
                answer = await client.post(
                    "/graphql", json={"query": FLOOD}, headers={"authorization": f"Bearer {api_key}"}
                )
                told[answer.status_code] += 1

        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30, limits=limits) as client:
            await asyncio.gather(*(one(client) for _ in range(CONNECTIONS)))
        return told

    answers.put(asyncio.run(run()))


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
