"""What is left of the books where everything is done at once, undone halfway, and killed.

    PYTHONPATH=. .venv/bin/python bench/faults.py [numbers] [runs] [kills] [poison]

Real processes (`tallygate serve`, `tallygate worker`) with their own settings on a PostgreSQL whose disk keeps its
promises, callers over HTTP. Ends with 1 where anything does not hold. The seed of what is random is printed; SEED sets
it. The processes' logs are in .data/bench/faults.log.
"""

import asyncio
import json
import os
import platform
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import asyncpg

from app.api.ids import INVOICE, SUBSCRIPTION, type_id
from app.domain.job import JobKind
from app.operations.invoice.finalize import finalize_invoice
from app.operations.invoice.generate import InvoiceRequest, generate_invoice
from app.operations.invoice_line_item.add import NewLine, add_invoice_line_item
from app.store.query import Query
from app.store.queue import enqueue
from app.store.roles import APP, WORKER
from app.store.tenancy import Database
from bench.books import Findings, compare_answers, compare_books, compare_periods
from bench.company import ODD_PLAN, Company, company_with, found_company
from bench.processes import (
    ANSWERED,
    HONEST,
    LOG,
    Answer,
    Callers,
    Running,
    crashes,
    database_of,
    start_server,
    start_worker,
)
from bench.scratch import Scratch, scratch_database

DRAFTS, UNDONE, IN_FLIGHT, UNDOING = 200, 40, 24, 6
CALLS, SUBSCRIPTIONS = 100, 200
KILLED, MONTHS, KILLS, CALLERS = 1_000, 3, 10, 3
CRASHES = {3: signal.SIGQUIT, 7: signal.SIGKILL}
"""In which rounds PostgreSQL dies too: at once by its own word, and killed."""

IN_THE_AIR_MIN = 8
MOMENT_SECONDS_MAX = 20
QUEUE_SECONDS_MAX = 180

FINALIZE = """
mutation($id: ID!) { invoiceFinalize(input: {invoiceId: $id}) { invoice { number } userErrors { code } } }
"""
RUN = """
mutation($until: DateTime) {
  billingRun(input: {until: $until}) {
    invoicesGenerated remaining failures { subscription { id } message } userErrors { code }
  }
}
"""
LIST = "{ invoices(first: 5) { nodes { number lineItems { amount { amount } } } } }"
NUMBER = Query("select number from invoices where organization_id = :organization_id and id = :id")
IN_THE_AIR = """
select (select count(*) from invoices where organization_id = $1 and number is not null),
       count(distinct l.pid) filter (where a.usename = $2), count(distinct l.pid) filter (where a.usename = $3)
from pg_locks l join pg_stat_activity a on a.pid = l.pid
where l.relation = 'invoices'::regclass and l.mode = 'RowExclusiveLock' and l.granted
"""
"""Invoices that are stored, and the transactions that are writing others: those of the server, and of the worker."""

QUEUED = "select count(*) from queue.pgqueuer where status <> 'failed'"
DEAD = """
select j.id, l.traceback->>'exception_message' from queue.pgqueuer j
left join queue.pgqueuer_log l on l.job_id = j.id and l.status = 'failed' where j.status = 'failed'
"""
LOST = """
select count(*) from unnest($1::bigint[]) as e (id)
where not exists (select from queue.pgqueuer j where j.id = e.id)
  and not exists (select from queue.pgqueuer_log l where l.job_id = e.id and l.status = 'successful')
"""


@dataclass
class Outcome:
    """A scenario: what was done, what came of it, what was compared."""

    name: str
    done: str
    figures: list[str] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)


class Undone(Exception):
    """Raised in the midst of what is to be rolled back."""


async def main() -> None:
    """Run the scenarios that are named, or all; print; exit code 1 where anything does not hold."""
    seed = int(os.environ.get("SEED", random.randrange(10**6)))
    random.seed(seed)
    LOG.parent.mkdir(parents=True, exist_ok=True)
    LOG.write_bytes(b"")
    print(f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}, SEED={seed}")
    outcomes = []
    for scenario in SCENARIOS:
        if sys.argv[1:] and scenario.__name__ not in sys.argv[1:]:
            continue
        print(f"\n{scenario.__name__}")
        begun = time.monotonic()
        async with scratch_database(APP, WORKER, durable=True) as scratch:
            outcome = await scenario(scratch)
        outcome.figures.append(f"{time.monotonic() - begun:.0f} s in all")
        outcomes.append(outcome)
    logged = log_counts()
    print(f"\nthe processes' logs: {shown(logged)}")
    print(f"\n{'scenario':10}{'compared':>9}  held")
    for outcome in outcomes:
        print(f"{outcome.name:10}{len(outcome.findings.seen):9}  {'no' if outcome.findings.wrong else 'yes'}")
        for line in (outcome.done, *outcome.figures, *(f"DOES NOT HOLD: {each}" for each in outcome.findings.wrong)):
            print(f"{'':12}{line}")
    raise SystemExit(1 if logged["request.failed"] or any(outcome.findings.wrong for outcome in outcomes) else 0)


async def numbers(scratch: Scratch) -> Outcome:
    """Finalizations at once, a fifth of them rolled back after they drew their number; then those for good."""
    outcome = Outcome("numbers", f"{DRAFTS} finalizations at once, {UNDONE} of them undone after they drew a number")
    async with database_of(scratch, size=8) as database, administrating(scratch) as administrator:
        company = await found_company(database, "Numbers")
        drafts = [await draft(database, company) for _ in range(DRAFTS)]
        async with serving(scratch, company) as callers:
            turn, turn_to_undo = asyncio.Semaphore(IN_FLIGHT), asyncio.Semaphore(UNDOING)

            async def undone(invoice_id: UUID) -> str | None:
                async with turn_to_undo:
                    return await undo(database, company, invoice_id)

            async def finalize(invoice_id: UUID) -> Answer:
                async with turn:
                    return await callers.insist(FINALIZE, id=type_id(INVOICE, invoice_id))

            begun = time.monotonic()
            drawn, *answers = await asyncio.gather(
                asyncio.gather(*(undone(each) for each in drafts[:UNDONE])),
                *(finalize(each) for each in drafts[UNDONE:]),
            )
            seconds = time.monotonic() - begun
            kept = await compare_books(administrator, company.tenant(database), outcome.findings)
            outcome.findings.expect("numbers while 40 are undone", kept, DRAFTS - UNDONE)
            answers += await asyncio.gather(*(finalize(each) for each in drafts[:UNDONE]))
            await compare_books(administrator, company.tenant(database), outcome.findings)
        given = {answer.data["invoice"]["number"] for answer in answers if answer.kind == ANSWERED}
        stored = await administrator.fetch("select number from invoices where organization_id = $1", company.id)
        outcome.findings.expect("different numbers that were answered", len(given), DRAFTS)
        outcome.findings.expect("answered numbers are the stored ones", given, {row[0] for row in stored})
        outcome.findings.expect("undone ones that had drawn a number", len([n for n in drawn if n]), UNDONE)
    tell(outcome, f"{seconds:.1f} s for all at once", callers)
    return outcome


async def runs(scratch: Scratch) -> Outcome:
    """Billing runs at once, on two processes that serve."""
    outcome = Outcome("runs", f"{CALLS} billing runs at once on 2 processes, {SUBSCRIPTIONS} subscriptions due")
    async with database_of(scratch) as database, administrating(scratch) as administrator:
        company = await company_with(database, "Runs", SUBSCRIPTIONS, months=1)
        async with serving(scratch, company, "--workers", "2") as callers:
            begun = time.monotonic()
            answers = await asyncio.gather(*(callers.insist(RUN) for _ in range(CALLS)))
            seconds = time.monotonic() - begun
        made = answered_runs(answers)
        outcome.findings.expect("calls that were answered", len(made), CALLS)
        outcome.findings.expect("the sum of invoicesGenerated", sum(made.values()), SUBSCRIPTIONS)
        await compare_all(administrator, company, database, made, outcome.findings)
    busy = sum(1 for each in made.values() if each)
    tell(outcome, f"{seconds:.1f} s until all were answered; {busy} of them made invoices", callers)
    return outcome


async def kills(scratch: Scratch) -> Outcome:
    """Server and worker killed at random moments of a billing run, and PostgreSQL with them twice; then a last run."""
    total = KILLED * MONTHS
    outcome = Outcome("kills", f"{KILLS} times kill -9 of server and worker, {len(CRASHES)} crashes of PostgreSQL")
    async with database_of(scratch) as database:
        company = await company_with(database, "Kills", KILLED, months=MONTHS)
    rounds = Rounds(scratch, company)
    with crashes() as crash:
        for number in range(KILLS):
            await rounds.run(number, crash)
        server, callers, worker = await rounds.start()
        begun = time.monotonic()
        try:
            while True:
                answer = await callers.insist(RUN)
                rounds.answers.append(answer)
                if answer.kind != ANSWERED or not (answer.data["invoicesGenerated"] or answer.data["remaining"]):
                    break
            async with administrating(scratch) as administrator:
                await until_empty(administrator)
        finally:
            outcome.figures.append(f"the last run and what was left in the queue: {time.monotonic() - begun:.0f} s")
            worker.stop()
            server.stop()
            await rounds.hang_up(callers)
        async with database_of(scratch) as database, administrating(scratch) as administrator:
            made = answered_runs(rounds.answers)
            await compare_all(administrator, company, database, made, outcome.findings)
            await compare_jobs(administrator, rounds.jobs, outcome)
    outcome.findings.expect("kinds of answers that are not honest", sorted(rounds.told.keys() - HONEST), [])
    outcome.findings.expect("processes that outlived PostgreSQL's crashes", rounds.outlived, 2 * len(CRASHES))
    hit = sum(1 for each in rounds.moments if each.writing)
    outcome.findings.expect(f"{IN_THE_AIR_MIN} moments or more in the midst of a run", hit >= IN_THE_AIR_MIN, True)
    outcome.figures += [
        f"{total:,} invoices, {sum(made.values()):,} of them answered to callers; the others are the worker's,"
        " or their answer was cut off",
        f"{hit} of {len(rounds.moments)} moments fell on transactions that were writing invoices:"
        f" {sum(1 for each in rounds.moments if each.server)} on the server's,"
        f" {sum(1 for each in rounds.moments if each.worker)} on the worker's",
        f"invoices stored at each: {', '.join(str(each.invoices) for each in rounds.moments)}",
        f"answers: {shown(rounds.told)}",
    ]
    return outcome


async def poison(scratch: Scratch) -> Outcome:
    """A plan that cannot be read, among others: its subscription is named, the others are billed; then it is mended."""
    size, odd = 100, 57
    outcome = Outcome("poison", f"one of {size} subscriptions on a plan whose price cannot be read; then mended")
    async with database_of(scratch) as database, administrating(scratch) as administrator:
        company = await company_with(database, "Poison", size, months=1, odd=odd)
        wanted, plan_id = await administrator.fetchrow(ON_PLAN, company.id, ODD_PLAN)
        price = await administrator.fetchval(PRICE, company.id, plan_id)
        await administrator.execute(SET_PRICE, company.id, plan_id, json.dumps({"model": "SPLINE"}))
        async with serving(scratch, company) as callers:
            broken = await callers.insist(RUN)
            await administrator.execute(SET_PRICE, company.id, plan_id, price)
            mended = await callers.insist(RUN)
        named = [each["subscription"]["id"] for each in broken.data["failures"]]
        outcome.findings.expect("failures", named, [type_id(SUBSCRIPTION, wanted)])
        made = [each.data["invoicesGenerated"] for each in (broken, mended)]
        outcome.findings.expect("invoices before and after", made, [size - 1, 1])
        await compare_all(administrator, company, database, answered_runs([broken, mended]), outcome.findings)
    tell(outcome, f"{made[0]} invoices and {len(named)} failure, then {made[1]} invoice", callers)
    return outcome


SCENARIOS: tuple[Callable[[Scratch], Awaitable[Outcome]], ...] = (numbers, runs, kills, poison)

PRICE = "select price from plan_features where organization_id = $1 and plan_id = $2"
SET_PRICE = "update plan_features set price = $3 where organization_id = $1 and plan_id = $2"
ON_PLAN = """
select s.id, p.id from subscriptions s join plans p on p.organization_id = s.organization_id and p.id = s.plan_id
where s.organization_id = $1 and p.key = $2
"""


@dataclass(frozen=True)
class Moment:
    """When somebody was killed: invoices stored by then, and transactions of server and worker in the air."""

    invoices: int
    server: int
    worker: int

    @property
    def writing(self) -> bool:
        """Whether anything was cut off."""
        return bool(self.server or self.worker)


class Rounds:
    """Rounds of starting, running and killing, and what was seen of them."""

    def __init__(self, scratch: Scratch, company: Company) -> None:
        self._scratch = scratch
        self._company = company
        self.moments: list[Moment] = []
        self.answers: list[Answer] = []
        self.jobs: list[int] = []
        self.told: Counter[str] = Counter()
        self.outlived = 0

    async def start(self) -> tuple[Running, Callers, Running]:
        """A server, who calls it, and a worker."""
        worker = await start_worker(self._scratch)
        url, server = await start_server(self._scratch)
        return server, Callers([url], self._company.api_key), worker

    async def hang_up(self, callers: Callers) -> None:
        """Count what they were told."""
        await callers.close()
        self.told += callers.told

    async def run(self, number: int, crash: Callable[[int], None]) -> None:
        """Begin a run by a job and by calls, and kill who does it at a random moment."""
        ends = self._company.ends
        until = ends[len(ends) * (number + 1) // KILLS - 1]
        server, callers, worker = await self.start()
        over = asyncio.Event()
        try:
            async with database_of(self._scratch) as database:
                await self._enqueue(database, until)
            if number % 2:
                await self._until_worker_writes()
            asking = [asyncio.create_task(self._keep_asking(callers, until, over)) for _ in range(CALLERS)]
            await self._strike(number, until, "PostgreSQL" if number in CRASHES else "server and worker")
            if number in CRASHES:
                await asyncio.to_thread(crash, CRASHES[number])
                await self._strike(number, until, "server and worker")
                self.outlived += sum(each.process.poll() is None for each in (server, worker))
        finally:
            server.kill()
            worker.kill()
            over.set()
        await asyncio.gather(*asking)
        await self.hang_up(callers)

    async def _enqueue(self, database: Database, until: datetime) -> None:
        async with self._company.tenant(database).write() as tx:
            job = await enqueue(tx, JobKind.BILLING_RUN, {"until": until.isoformat()})
        if job is not None:
            self.jobs.append(job)

    async def _until_worker_writes(self) -> None:
        """Let the job go first, for five seconds at most."""
        async with administrating(self._scratch) as administrator:
            for _ in range(500):
                if (await administrator.fetchrow(IN_THE_AIR, self._company.id, APP, WORKER))[2]:
                    return
                await asyncio.sleep(0.01)

    async def _keep_asking(self, callers: Callers, until: datetime, over: asyncio.Event) -> None:
        while not over.is_set():
            self.answers.append(await callers.ask(RUN, until=until.isoformat()))
            await callers.ask(LIST)
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), timeout=random.uniform(0.01, 0.2))

    async def _strike(self, number: int, until: datetime, whom: str) -> None:
        """Wait for a random moment of the run: so many invoices more, or so long after the first was begun."""
        due = self._company.ended_by(until)
        goal: int | None = None
        wait = None if random.random() < 0.5 else random.uniform(0.02, 1.5)
        first: float | None = None
        deadline = time.monotonic() + MOMENT_SECONDS_MAX
        async with administrating(self._scratch) as administrator:
            while True:
                moment = Moment(*await administrator.fetchrow(IN_THE_AIR, self._company.id, APP, WORKER))
                now = time.monotonic()
                if goal is None:
                    goal = random.randint(moment.invoices, max(moment.invoices, due - 100))
                if first is None and moment.writing:
                    first = now
                ripe = moment.invoices >= goal if wait is None else first is not None and now > first + wait
                if (moment.writing and ripe) or moment.invoices >= due or now > deadline:
                    break
                await asyncio.sleep(0.005)
        self.moments.append(moment)
        print(
            f"  {number + 1:2}: {moment.invoices:5,} of {due:5,} invoices; in the air {moment.server} of the server,"
            f" {moment.worker} of the worker: kill {whom}",
            flush=True,
        )


@asynccontextmanager
async def administrating(scratch: Scratch) -> AsyncIterator[asyncpg.Connection]:
    """A connection past row security."""
    connection = await asyncpg.connect(scratch.administrator_url)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def serving(scratch: Scratch, company: Company, *options: str) -> AsyncIterator[Callers]:
    """Callers of a server."""
    url, server = await start_server(scratch, *options)
    callers = Callers([url], company.api_key)
    try:
        yield callers
    finally:
        await callers.close()
        server.stop()


async def draft(database: Database, company: Company) -> UUID:
    """An invoice by hand that waits to be finalized."""
    tenant = company.tenant(database)
    invoice_id = await generate_invoice(tenant, InvoiceRequest(None, None, None, None))
    await add_invoice_line_item(tenant, invoice_id, NewLine("By hand", Decimal(1), Decimal(700), None))
    return invoice_id


async def undo(database: Database, company: Company, invoice_id: UUID) -> str | None:
    """Finalize in a transaction that fails after it; give the number that it had drawn."""
    tenant = company.tenant(database)
    number = None
    tx = await tenant.hold_write()
    try:
        await finalize_invoice(tenant, invoice_id, due_in_days=None, expected_version=None)
        number = await tx.fetch_value(NUMBER, id=invoice_id)
        await asyncio.sleep(random.uniform(0, 0.02))
        raise Undone
    except Undone:
        return number
    finally:
        await tenant.release(commit=False)


def answered_runs(answers: list[Answer]) -> dict[str, int]:
    """How many invoices each answered run says to have made, by its request's id."""
    return {each.request_id: each.data["invoicesGenerated"] for each in answers if each.kind == ANSWERED}


async def compare_all(
    administrator: asyncpg.Connection, company: Company, database: Database, made: dict[str, int], findings: Findings
) -> None:
    """Periods, books and answers."""
    tenant = company.tenant(database)
    await compare_periods(administrator, tenant, company.wanted, findings)
    findings.expect(
        "invoices that bear a number", await compare_books(administrator, tenant, findings), len(company.wanted)
    )
    await compare_answers(administrator, tenant, made, findings)


async def compare_jobs(administrator: asyncpg.Connection, jobs: list[int], outcome: Outcome) -> None:
    """Every job that was enqueued is done; none waits, none is a dead letter."""
    outcome.findings.expect("jobs that are lost", await administrator.fetchval(LOST, jobs), 0)
    outcome.findings.expect("jobs that still wait or run", await administrator.fetchval(QUEUED), 0)
    dead = [tuple(row) for row in await administrator.fetch(DEAD)]
    outcome.findings.expect("dead letters", dead, [])
    successful = await administrator.fetchval(
        "select count(distinct job_id) from queue.pgqueuer_log where status = 'successful'"
    )
    outcome.figures.append(f"{len(jobs)} jobs enqueued by the program, {successful} done with those of the server")


async def until_empty(administrator: asyncpg.Connection) -> None:
    """Wait for the worker to have done what waits."""
    deadline = time.monotonic() + QUEUE_SECONDS_MAX
    while await administrator.fetchval(QUEUED) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.2)


def tell(outcome: Outcome, figures: str, callers: Callers) -> None:
    """Note figures, and what callers were told: nothing but what is honest."""
    outcome.figures += [figures, f"answers: {shown(callers.told)}"]
    outcome.findings.expect("kinds of answers that are not honest", sorted(callers.told.keys() - HONEST), [])


def shown(counts: Counter[str]) -> str:
    """Counts in words."""
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items())) or "nothing"


def log_counts() -> Counter[str]:
    """How often which event is in the processes' logs, but for those that say that all is well."""
    well = {"graphql.answered", "worker.started", "worker.stopped", "billing.run", "job.done"}
    counts: Counter[str] = Counter()
    for line in LOG.read_text(errors="replace").splitlines():
        try:
            event = json.loads(line)["event"]
        except (ValueError, KeyError, TypeError):
            event = "Traceback" if line.startswith("Traceback") else ""
        if event and event not in well:
            counts[event] += 1
    return counts


if __name__ == "__main__":
    asyncio.run(main())
