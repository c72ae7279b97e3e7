"""Runs migrations: as a login that may become the owner, each revision in a transaction of its own.

`app.store.migration` calls this with a connection; `alembic` on the command line is for writing revisions.
"""

import asyncio
import os

import sqlalchemy as sa
from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine

from app.store.roles import become_owner
from app.store.tables import metadata


def is_ours(_object: object, name: str | None, kind: str, _reflected: bool, _compared: object) -> bool:
    """Leave partitions out: they belong to their parent."""
    return not (kind == "table" and name is not None and "_partition_" in name)


def run(connection: sa.Connection) -> None:
    """Migrate over this connection."""
    become_owner(connection)
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_object=is_ours,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def connect_and_run() -> None:
    """Migrate the database that DATABASE_URL names."""
    url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://", 1)
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


def emit_sql() -> None:
    """Print the SQL instead of running it, for the linter."""
    context.configure(dialect_name="postgresql", target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if context.is_offline_mode():
    emit_sql()
elif given is not None:
    run(given)
else:
    asyncio.run(connect_and_run())
