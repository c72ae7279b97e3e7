"""tallygate dev: everything on one machine, ready to play with."""

import asyncio
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Final

from pydantic import SecretStr
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from app.api.graphiql import DemoKey
from app.demo import load_demo
from app.dev_worker import worker_beside
from app.development import DevelopmentDatabase, Secrets, development_database
from app.main import application
from app.serving import check_port, serve_here
from app.settings import Settings
from app.store.connection import ConnectionPool, Timeouts
from app.store.tenancy import Database
from app.store.vault.master import MasterKeys
from app.store.vault.vault import Vault

console = Console(stderr=True)

DEMO_SCALE: Final = 0.6
"""How much of the demo is told: the first start is to be over within a minute on two cores."""


def run_everything(*, host: str, port: int, data_dir: Path, demo: bool) -> None:
    """Start PostgreSQL, migrate, load demo data once, say where and with which keys, and serve until told to stop."""
    check_port(host, port)
    # uvicorn raises SIGTERM again after its own shutdown; without a handler of ours, PostgreSQL would not be stopped.
    signal.signal(signal.SIGTERM, _leave)
    kept = Secrets.kept_in(data_dir)
    console.print("Starting PostgreSQL and bringing it up to date ...")
    with development_database(data_dir, kept) as database:
        if demo and not kept.demo_keys:
            _load_demo_once(database, kept)
        _welcome(host, port, kept.demo_keys)
        settings = Settings(
            database_url=SecretStr(database.app_url),
            api_key_pepper=SecretStr(kept.api_key_pepper),
            cursor_secret=SecretStr(kept.cursor_secret),
            master_key=SecretStr(kept.master_key),
            log_format="console",
        )
        keys = [DemoKey(key["organization"], key["apiKey"]) for key in kept.demo_keys]
        with worker_beside(database.worker_url):
            serve_here(application(settings, keys), host, port)


def _load_demo_once(database: DevelopmentDatabase, kept: Secrets) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("Loading demo data (once)", total=1.0)

        async def load() -> list[dict[str, str]]:
            pool = ConnectionPool(
                database.app_url, size=4, timeouts=Timeouts(statement=30_000, idle=30_000), durable=False
            )
            await pool.open()
            try:
                made = await load_demo(
                    Database(pool, vault=Vault(MasterKeys.from_text(kept.master_key))),
                    kept.api_key_pepper,
                    lambda part: progress.update(task, completed=part),
                    scale=DEMO_SCALE,
                )
            finally:
                await pool.close()
            return [
                {"organization": one.legal_name, "organizationId": one.organization_id, "apiKey": one.api_key}
                for one in made
            ]

        kept.demo_keys = asyncio.run(load())
    kept.save()


def _welcome(host: str, port: int, demo_keys: list[dict[str, str]]) -> None:
    console.print(f"\n[bold]Tallygate[/] is at http://{host}:{port}/graphql (GraphiQL in a browser).", highlight=False)
    for key in demo_keys:
        console.print(f"  {key['organization']}: [green]{key['apiKey']}[/]", highlight=False, soft_wrap=True)
    if not demo_keys:
        console.print("  Make a key: tallygate bootstrap --legal-name 'My company'", highlight=False)
    console.print("Ctrl-C stops it.\n")


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)
