"""Migrating a database, and knowing how far it is."""

import asyncio
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

MIGRATIONS: Final = Path(__file__).parents[2] / "migrations"


@cache
def head_revision() -> str:
    """The revision that this program needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise LookupError(f"There are no migrations in {MIGRATIONS}.")
    return head


async def migrate(url: str, revision: str = "head") -> None:
    """Bring a database to a revision, as a login that may create roles. Repeating it changes nothing."""
    engine = create_async_engine(_for_sqlalchemy(url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_run, revision)
            await connection.commit()
    finally:
        await engine.dispose()


def migrate_now(url: str, revision: str = "head") -> None:
    """The same, from where no event loop runs."""
    asyncio.run(migrate(url, revision))


def _run(connection: sa.Connection, revision: str) -> None:
    config = _config()
    config.attributes["connection"] = connection
    if revision == "head":
        command.upgrade(config, revision)
    else:
        command.downgrade(config, revision)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def _for_sqlalchemy(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres"):
        raise ArgumentError(f"{parts.scheme or 'no scheme'} is no PostgreSQL")
    # A URL with an empty host, as for a Unix socket, keeps its two slashes only where a path follows.
    return urlunsplit(("postgresql+asyncpg", parts.netloc, parts.path, parts.query, ""))
