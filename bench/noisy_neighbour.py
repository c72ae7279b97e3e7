"""One organization floods a server, another goes on asking: what the flood does to the other's answers.

A polite organization asks for a page of invoices, fifty times a second, whatever becomes of it. In every other span a
second one asks for a page ten times as large on 64 connections at once, from a process of its own, and asks again as
soon as it was answered or refused. Ends with 1 where the polite one's p99 is more than twice what it is in quiet.
"""

import asyncio
import multiprocessing
import statistics
from collections import Counter

import uvloop

from bench.client import Request, ask_every, ask_for, post
from bench.company import Company, company_with
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
            quiet, loud, told = await measure(asking(url, polite, POLITE), asking(url, flood, FLOOD))
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


def asking(url: str, company: Company, document: str) -> Request:
    """A document as an organization asks it."""
    return post(
        int(url.rpartition(":")[2]), "/graphql", {"authorization": f"Bearer {company.api_key}"}, {"query": document}
    )


async def measure(polite: Request, flood: Request) -> tuple[list[float], list[float], Counter[int]]:
    """Seconds in quiet and in the flood, and what the flood was told; spans of both in turn."""
    quiet: list[float] = []
    loud: list[float] = []
    told: Counter[int] = Counter()
    await ask(polite)
    context = multiprocessing.get_context("spawn")
    for span in range(SPANS):
        if span % 2 == 0:
            quiet += await ask(polite)
            continue
        answers = context.Queue()
        flooding = context.Process(target=flood_for, args=(flood, SPAN_SECONDS + 2, answers))
        flooding.start()
        await asyncio.sleep(1.5)
        loud += await ask(polite)
        told += await asyncio.to_thread(answers.get)
        flooding.join()
    return quiet, loud, told


async def ask(request: Request) -> list[float]:
    """Ask politely, and give how long each answer took. Raises ConnectionError where one is refused or says errors."""
    heard = (await ask_every(EVERY_SECONDS, request, seconds=SPAN_SECONDS)).all_answered()
    if b'"errors"' in heard.body:
        raise ConnectionError(heard.body.decode())
    return heard.seconds


def flood_for(request: Request, seconds: float, answers: "multiprocessing.Queue[Counter[int]]") -> None:
    """Ask without a pause on many connections."""
    heard = uvloop.run(ask_for([request], connections=CONNECTIONS, seconds=seconds))
    answers.put(heard.statuses)


if __name__ == "__main__":
    raise SystemExit(uvloop.run(main()))
