"""tallygate jobs list | show | replay | drop: the dead letters, for an operator."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.markup import escape

from app.cli.terminal import console, fail, print_out, settings_of_environment, with_sentences

if TYPE_CHECKING:
    from app.store.queue.dead_letter import DeadLetter, DeadLetters

jobs = typer.Typer(
    name="jobs", help="Look into jobs that failed for good, and replay or drop them.", no_args_is_help=True
)

JobId = Annotated[int, typer.Argument(metavar="JOB", help="The job's id, as `tallygate jobs list` shows it.", min=0)]


@jobs.command("list")
def list_(
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1, max=10_000)] = 50,
) -> None:
    """List the jobs that failed for good."""
    from rich.table import Table  # noqa: PLC0415

    async def run(letters: "DeadLetters") -> None:
        found = await letters.newest(limit)
        if not found:
            console.print("No job has failed for good.")
            return
        table = Table("job", "kind", "organization", "attempts", "failed at", "error")
        for letter in found:
            table.add_row(*map(escape, _row(letter)))
        print_out(table)

    _with_dead_letters(run)


@jobs.command()
def show(job: JobId) -> None:
    """Show a job that failed for good: its payload, and where it failed."""

    async def run(letters: "DeadLetters") -> None:
        letter = await letters.find(job)
        if letter is None:
            _fail_unknown(job)
        names = ("job", "kind", "organization", "attempts", "failed at", "error")
        lines = [f"{name}: {value}" for name, value in zip(names, _row(letter), strict=True)]
        lines += [f"enqueued at: {letter.enqueued_at.isoformat()}", f"payload: {letter.payload}", "", letter.traceback]
        print("\n".join(lines))

    _with_dead_letters(run)


@jobs.command()
def replay(job: JobId) -> None:
    """Let a job that failed for good be tried again, from its first attempt on."""

    async def run(letters: "DeadLetters") -> None:
        from app.store.queue.dead_letter import AnotherWaits  # noqa: PLC0415

        try:
            if not await letters.replay(job):
                _fail_unknown(job)
        except AnotherWaits:
            fail(
                f"A job that does the same as job {job} waits already: drop this one with `tallygate jobs drop {job}`."
            )
        console.print(f"Job {job} is tried again as soon as a worker is free.", highlight=False)

    _with_dead_letters(run)


@jobs.command()
def drop(job: JobId) -> None:
    """Take a job that failed for good out of the queue."""

    async def run(letters: "DeadLetters") -> None:
        if not await letters.drop(job):
            _fail_unknown(job)
        console.print(f"Job {job} is dropped.", highlight=False)

    _with_dead_letters(run)


def _with_dead_letters(do: "Callable[[DeadLetters], Awaitable[None]]") -> None:
    def run() -> None:
        from app.settings import WorkerSettings  # noqa: PLC0415
        from app.worker import worker_database  # noqa: PLC0415

        async def connected() -> None:
            async with worker_database(settings_of_environment(WorkerSettings)) as database:
                await do(database.dead_letters)

        asyncio.run(connected())

    with_sentences(run)


def _fail_unknown(job: int) -> NoReturn:
    fail(f"No job {job} has failed for good: `tallygate jobs list` shows those that have.")


def _row(letter: "DeadLetter") -> list[str]:
    from app.api.ids import ORGANIZATION, type_id  # noqa: PLC0415

    organization = "none" if letter.organization_id is None else type_id(ORGANIZATION, letter.organization_id)
    attempts, failed_at = str(letter.attempts), letter.failed_at.isoformat(timespec="seconds")
    return [str(letter.id), letter.kind, organization, attempts, failed_at, letter.error]
