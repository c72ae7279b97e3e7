"""tallygate dev | serve | worker | migrate | bootstrap | schema, and groups of commands by noun: jobs, billing, ...

Owns: the commands and their options, and how a person at a terminal is told.
Never: does what a command does; shows a traceback where something outside is wrong: it says one sentence.
Begin at: `main`; the groups of commands have a file each, `terminal.py` is what they share.
"""

import asyncio
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.cli.audit import audit
from app.cli.billing import billing
from app.cli.isolation import isolation
from app.cli.jobs import jobs
from app.cli.keys import keys
from app.cli.ledger import ledger
from app.cli.organization import organization
from app.cli.standing import add_standing_commands
from app.cli.terminal import console, fail, settings_of_environment, with_sentences
from app.cli.usage import usage

# Strawberry, Alembic and PostgreSQL's driver take most of a second to import: commands import what they need.

app = typer.Typer(
    name="tallygate",
    help="A multi-tenant GraphQL billing gateway.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(jobs)
app.add_typer(billing)
app.add_typer(ledger)
add_standing_commands(organization)
app.add_typer(organization)
app.add_typer(audit)
app.add_typer(usage)
app.add_typer(keys)
app.add_typer(isolation)

DEFAULT_DATA_DIR = Path(".data")


class ModeOption(StrEnum):
    """What `--mode` takes."""

    LIVE = "live"
    TEST = "test"


DataDir = Annotated[Path, typer.Option(help="Where the embedded PostgreSQL and the development secrets are kept.")]


@app.command()
def dev(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    demo: Annotated[bool, typer.Option("--demo/--no-demo", help="Load demo data, once.")] = True,
) -> None:
    """Run everything on this machine: an embedded PostgreSQL (or DATABASE_URL), demo data, GraphiQL."""
    from app.dev import run_everything  # noqa: PLC0415

    with_sentences(lambda: run_everything(host=host, port=port, data_dir=data_dir, demo=demo))


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [TALLYGATE_HOST].")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on [TALLYGATE_PORT].")] = None,
    workers: Annotated[int, typer.Option(help="Processes that serve.", min=1, max=64)] = 1,
) -> None:
    """Serve with the settings of the environment, as the unprivileged role; refuse where the wall does not stand."""

    def run() -> None:
        from app.serving import check_database, serve_processes  # noqa: PLC0415
        from app.settings import Settings  # noqa: PLC0415

        settings = settings_of_environment(Settings)
        asyncio.run(check_database(settings))
        serve_processes(settings, host or settings.host, settings.port if port is None else port, workers)

    with_sentences(run)


@app.command()
def worker(
    parent: Annotated[int | None, typer.Option(hidden=True, help="Stop when this is not its parent process.")] = None,
) -> None:
    """Do jobs in the background with the settings of the environment, as tallygate_worker; run one or more."""

    def run() -> None:
        from app.settings import WorkerSettings  # noqa: PLC0415
        from app.worker import work  # noqa: PLC0415

        asyncio.run(work(settings_of_environment(WorkerSettings), parent=parent))

    with_sentences(run)


@app.command()
def migrate(
    database_url: Annotated[
        str | None,
        typer.Option(
            envvar=["TALLYGATE_MIGRATION_DATABASE_URL", "DATABASE_URL"],
            help="The database, as a login that owns it and may create roles.",
        ),
    ] = None,
) -> None:
    """Bring the database to the revision that this program needs."""
    from app.store.migration import head_revision, migrate_now  # noqa: PLC0415

    def run() -> None:
        if database_url is None:
            fail("Say which database: set TALLYGATE_MIGRATION_DATABASE_URL (or DATABASE_URL), or give --database-url.")
        with console.status("Migrating ..."):
            migrate_now(database_url)
        console.print(f"The database is at revision {head_revision()}.")

    with_sentences(run)


@app.command()
def bootstrap(
    legal_name: Annotated[str, typer.Option(help="The organization's name in the register.")],
    mode: Annotated[ModeOption, typer.Option(help="live, or test with a clock of its own.")] = ModeOption.LIVE,
    test_clock: Annotated[
        str | None, typer.Option(help="Where a test organization's clock starts, as 2026-05-01T00:00:00Z.")
    ] = None,
    parent: Annotated[str | None, typer.Option(help="The id of the organization above it: org_...")] = None,
    currency: Annotated[str, typer.Option(help="What its customers pay in unless they say otherwise.")] = "USD",
    time_zone: Annotated[str, typer.Option(help="Where its billing periods begin at midnight.")] = "UTC",
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Make an organization with an owner's key, and print {"organizationId", "apiKey"} as JSON.

    In the embedded database of --data-dir, or in DATABASE_URL where that is set.
    """
    from app.bootstrap import BootstrapRequest, bootstrap_here  # noqa: PLC0415

    request = BootstrapRequest(legal_name, mode.upper(), test_clock, parent, currency, time_zone, data_dir)
    with_sentences(lambda: print(json.dumps(bootstrap_here(request))))


@app.command()
def schema() -> None:
    """Print the GraphQL schema in the schema definition language."""
    from app.api.schema import schema as graphql_schema  # noqa: PLC0415

    print(graphql_schema.as_str())


def main() -> None:
    """The program."""
    app()
