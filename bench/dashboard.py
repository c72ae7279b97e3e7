"""What a dashboard's query costs here, and in servers that are built otherwise on the same tables.

    PYTHONPATH=. .venv/bin/python bench/dashboard.py --keep

The query asks for an organization, what it is owed, 10 subscriptions with their plans, and 50 invoices with 5 lines and
3 entries each: 1,474 values. It is asked in a database with 1,000 organizations, 200,000 invoices and 1,000,000 lines,
behind row security as migrated, of several organizations in turn. Every server is a process of its own with one worker,
and its answers are compared before anything is timed. Ends with 1 where Tallygate takes more than its bound of the CPU
of another, or an answer from memory more than its bound of that of a bare route.
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import asyncpg
import uvloop

from bench.client import ask_once
from bench.dashboard.documents import ENTITLEMENT, INVOICE, WrongAnswer, data_of, digest, values_in
from bench.dashboard.measure import Contestant, Cost, Meter
from bench.dashboard.plot import plot
from bench.dashboard.seed import Viewer, name_to_keep, seeded
from bench.dashboard.servers import (
    BARE,
    HANDWRITTEN,
    NAIVE,
    POSTGRAPHILE,
    TALLYGATE,
    WITHOUT_PLANS,
    YOGA,
    Kind,
    Missing,
    Running,
    bare,
    node_versions,
    of_node,
    of_python,
    started,
)
from bench.scratch import FOLDER, Scratch, scratch_database

BOUNDS = {NAIVE: 1 / 8, HANDWRITTEN: 1.8, POSTGRAPHILE: 0.85}
"""The most that the dashboard may take of another's CPU."""

BOUND_OF_MEMORY = 2.5
"""The most that an answer from memory, an entitlement, may take of a bare route's."""

HEAD = "server CPU, ms (least to most) | PostgreSQL CPU, ms | answers/s | p50, ms | p99, ms | memory, MiB |"


def options() -> argparse.Namespace:
    """What is asked for on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--organizations", type=int, default=1_000, help="200 invoices each (1000)")
    parser.add_argument("--keep", action="store_true", help="keep the database for the next run, in .data/bench")
    parser.add_argument("--rounds", type=int, default=6, help="turns of each server, forward and backward (6)")
    parser.add_argument("--seconds", type=float, default=3, help="how long a turn lasts (3)")
    parser.add_argument("--connections", type=int, default=4, help="requests at a time (4)")
    parser.add_argument("--plot", type=Path, help="draw the dashboard's costs into this PNG")
    parser.add_argument("--without-node", action="store_true", help="leave out the servers in Node")
    return parser.parse_args()


async def main(given: argparse.Namespace) -> int:
    """Seed, start, compare, measure, print; 1 where a bound does not hold."""
    kept_as = name_to_keep(given.organizations) if given.keep else None
    async with scratch_database(kept_as=kept_as) as scratch, AsyncExitStack() as stack:
        viewers = await seeded(scratch, given.organizations)
        administrator = await asyncpg.connect(scratch.administrator_url)
        stack.push_async_callback(administrator.close)
        running = []
        for kind in kinds(scratch, with_node=not given.without_node):
            try:
                running.append(await stack.enter_async_context(started(kind, viewers[0], logs())))
            except Missing as error:
                if kind.name == TALLYGATE:
                    raise
                print(f"skipped: {kind.name}, since {error}")
        meter = Meter(administrator, connections=given.connections, seconds=given.seconds)
        print(f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()},", end=" ")
        print(
            f"PostgreSQL {await administrator.fetchval('show server_version')}; {given.connections} connections,",
            end=" ",
        )
        print(f"{given.rounds} turns of {given.seconds:g} s each; medians of turns")
        print(f"{node_versions()}\n" if len(running) > 4 else "")
        costs = await dashboard(meter, running, viewers, given.rounds)
        beyond = [name for name, most in BOUNDS.items() if name in costs and costs[TALLYGATE].share(costs[name]) > most]
        if given.plot:
            await plot("A dashboard's query: 1,474 values, 38 kB of JSON", costs, TALLYGATE, given.plot)
        for title, document, variables in (
            ("an entitlement", ENTITLEMENT, {"feature": "calls"}),
            ("an invoice by its id", INVOICE, {"id": viewers[0].invoice_id}),
        ):
            ask = Small(title, document, variables)
            share = await small(meter, running[0], viewers[0], given.rounds, ask)
            if document is ENTITLEMENT and share > BOUND_OF_MEMORY:
                beyond.append(BARE)
    print(f"beyond its bound: {', '.join(beyond)}" if beyond else "within all bounds")
    return 1 if beyond else 0


def kinds(scratch: Scratch, *, with_node: bool) -> list[Kind]:
    """The servers that can be had here; which are not, and why, is printed."""
    found = of_python(scratch.url())
    if with_node:
        try:
            found += of_node(scratch.url())
        except Missing as error:
            print(f"skipped: {POSTGRAPHILE} and {YOGA}, since {error}")
    return found


def logs() -> Path:
    """Where servers' logs go."""
    folder = FOLDER / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def dashboard(
    meter: Meter, running: Sequence[Running], viewers: Sequence[Viewer], rounds: int
) -> dict[str, Cost]:
    """The whole page, by everybody."""
    right = await agreeing(running, viewers)
    contestants = [
        Contestant(server, [server.kind.request(server.port, viewer) for viewer in viewers]) for server in right
    ]
    costs = await meter.rounds(contestants, rounds)
    table("the dashboard", costs)
    for peer in (WITHOUT_PLANS, NAIVE, HANDWRITTEN, POSTGRAPHILE, YOGA):
        if peer in costs:
            print(f"{TALLYGATE} takes {costs[TALLYGATE].against(costs[peer])} of the CPU of: {peer}")
    return costs


async def agreeing(running: Sequence[Running], viewers: Sequence[Viewer]) -> list[Running]:
    """The servers that answer every viewer as Tallygate does; the same document, also in the same form."""
    right = []
    wanted = {viewer: (await ask_once(running[0].kind.request(running[0].port, viewer))).body for viewer in viewers}
    for server in running:
        try:
            for viewer, expected in wanted.items():
                body = (await ask_once(server.kind.request(server.port, viewer))).body
                values = values_in(body)
                if values != values_in(expected):
                    raise WrongAnswer(f"{len(values)} values {digest(values)}: {body[:300].decode()}")
                if server.kind.document == running[0].kind.document and data_of(body) != data_of(expected):
                    raise WrongAnswer("the same values in another form")
        except WrongAnswer as error:
            print(f"left out: {server.kind.name}, since its answer differs: {error}")
        else:
            right.append(server)
    body = wanted[viewers[0]]
    values = values_in(body)
    print(
        f"{len(right)} servers give the same {len(values):,} values ({digest(values)}), {len(body):,} bytes of JSON\n"
    )
    return right


class Small(NamedTuple):
    """A small query."""

    title: str
    document: str
    variables: Mapping[str, str]


async def small(meter: Meter, tallygate: Running, viewer: Viewer, rounds: int, query: Small) -> float:
    """A small query, against a server that holds the answer in its memory: how much of its CPU it takes."""
    ask = tallygate.kind.request(tallygate.port, viewer, query.variables, query.document)
    body = (await ask_once(ask)).body
    values_in(body)
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        answer.write_bytes(body)
        async with started(bare(answer), viewer, logs()) as server:
            same = server.kind.request(server.port, viewer, query.variables, query.document)
            costs = await meter.rounds([Contestant(tallygate, [ask]), Contestant(server, [same])], rounds)
    print()
    table(query.title, costs)
    print(f"{TALLYGATE} takes {costs[TALLYGATE].against(costs[BARE])} of the CPU of: {BARE}")
    return costs[TALLYGATE].share(costs[BARE])


def table(title: str, costs: dict[str, Cost]) -> None:
    """Print it as Markdown."""
    print(f"| {title} | {HEAD}")
    print("|---|---|---|---|---|---|---|")
    for name, cost in costs.items():
        print(f"| {name} | {cost.row()}")
    print(flush=True)


if __name__ == "__main__":
    sys.exit(uvloop.run(main(options())))
