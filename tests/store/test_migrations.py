"""Migrations go up, down and up again, and lead to what the models say."""

import uuid
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import asyncpg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.store.migration import MIGRATIONS, head_revision, migrate
from app.store.queue.consumer import SETTINGS
from app.store.tables import metadata


class Server(Protocol):
    """A PostgreSQL server."""

    admin_url: str

    def url(self, database: str, user: str | None = None) -> str: ...


@pytest.fixture
async def empty(server: Server) -> AsyncIterator[str]:
    """The URL of a database with nothing in it, as its administrator."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    administrator = await asyncpg.connect(server.admin_url)
    await administrator.execute(f"create database {name}")
    yield server.url(name)
    await administrator.execute(f"drop database {name} with (force)")
    await administrator.close()


@pytest.fixture
def migrated(server: Server, clone: Callable[[], str]) -> str:
    """The URL of a database that is at the head."""
    return server.url(clone())


DESCRIPTION = """
with tables as (
  select oid, relname from pg_class
  where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and relname <> 'alembic_version'
    and ($1 or not relispartition)
)
select relname || ': ' || attname || ' ' || format_type(atttypid, atttypmod)
       || case when attnotnull then ' not null' else '' end
       || coalesce(' default ' || (select pg_get_expr(adbin, adrelid) from pg_attrdef
                                   where adrelid = attrelid and adnum = attnum), '') as line
from pg_attribute join tables on tables.oid = attrelid where attnum > 0 and not attisdropped
union all
select relname || ': ' || conname || ' ' || pg_get_constraintdef(pg_constraint.oid)
from pg_constraint join tables on tables.oid = conrelid where contype in ('c', 'f', 'p', 'u')
union all
select relname || ': ' || pg_get_indexdef(indexrelid) from pg_index join tables on tables.oid = indrelid
union all
select relname || ': partitioned by ' || pg_get_partkeydef(partrelid)
from pg_partitioned_table join tables on tables.oid = partrelid
order by 1
"""

WALL = """
select relname || ': policy ' || polname || ' ' || pg_get_expr(polqual, polrelid) as line
from pg_policy join pg_class on pg_class.oid = polrelid
union all
select relname || ': ' || relrowsecurity || ' ' || relforcerowsecurity || ' ' || coalesce(relacl::text, '')
from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
union all
select relname || '.' || attname || ': ' || attacl::text
from pg_attribute join pg_class on pg_class.oid = attrelid
where relnamespace in ('public'::regnamespace, 'queue'::regnamespace) and attacl is not null and not attisdropped
union all
select relname || ': ' || pg_get_triggerdef(pg_trigger.oid) || ' ' || tgenabled::text
from pg_trigger join pg_class on pg_class.oid = tgrelid where not tgisinternal
union all
select pg_get_functiondef(oid) || ' ' || pg_get_userbyid(proowner) || ' ' || proacl::text
from pg_proc where pronamespace = 'public'::regnamespace
union all
select 'schema: ' || nspacl::text from pg_namespace where nspname = 'public'
order by 1
"""


async def lines(url: str, query: str, *arguments: object) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return [row["line"] for row in await connection.fetch(query, *arguments)]
    finally:
        await connection.close()


async def described(url: str) -> list[str]:
    """The tables and the wall of a database, line by line."""
    return await lines(url, DESCRIPTION, True) + await lines(url, WALL)


async def test_up_down_and_up_again(empty: str) -> None:
    """Down to the base nothing is left of it, and going up again leads to the same; repeating it changes nothing."""
    await migrate(empty)
    first = await described(empty)
    assert len(first) > 500
    await migrate(empty)
    assert await described(empty) == first
    await migrate(empty, "base")
    assert await lines(empty, DESCRIPTION, True) == []
    left = "select oid::regprocedure::text as line from pg_proc where pronamespace = 'public'::regnamespace"
    assert await lines(empty, left) == []
    queue = "select relname as line from pg_class where relnamespace = 'queue'::regnamespace"
    assert await lines(empty, queue) == []
    assert await lines(empty, "select version_num as line from alembic_version") == []
    await migrate(empty)
    assert await described(empty) == first


async def test_each_revision_can_be_left(empty: str) -> None:
    """One step down and up again, from each revision on."""
    revisions = [each.revision for each in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]
    await migrate(empty)
    there = await described(empty)
    for revision in revisions[1:]:
        await migrate(empty, revision)
        assert await lines(empty, "select version_num as line from alembic_version") == [revision]
        await migrate(empty)
        assert await described(empty) == there


def test_there_is_one_head() -> None:
    """Revisions are one line, each with the one before it, numbered."""
    scripts = list(ScriptDirectory(str(MIGRATIONS)).walk_revisions())
    assert [script.revision for script in reversed(scripts)] == [f"{n:04d}" for n in range(1, len(scripts) + 1)]
    assert [script.down_revision for script in scripts] == [*(script.revision for script in scripts[1:]), None]
    assert head_revision() == scripts[0].revision


async def test_alembic_finds_nothing_to_migrate(migrated: str) -> None:
    """Comparing the migrated database with the models, by migrations/env.py's own filter, gives no operation."""
    engine = create_async_engine(migrated.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=NullPool)

    def check(connection: sa.Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.check(config)

    async with engine.connect() as connection:
        await connection.run_sync(check)
    await engine.dispose()


async def test_models_and_migrations_make_the_same_tables(empty: str, migrated: str) -> None:
    """Column by column, with every constraint and index, which Alembic does not all compare."""
    engine = create_async_engine(empty.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()
    expected = await lines(migrated, DESCRIPTION, False)
    assert len(expected) > 200
    assert await lines(empty, DESCRIPTION, False) == expected


async def test_pgqueuer_finds_its_schema_as_it_wants_it(migrated: str) -> None:
    """The installed version would change nothing in what our migration made: were it to, it needs a revision first."""
    connection = await asyncpg.connect(migrated)
    queries = Queries(
        AsyncpgDriver(connection),
        qbe=QueryBuilderEnvironment(SETTINGS),
        qbq=QueryQueueBuilder(SETTINGS),
        qbs=QuerySchedulerBuilder(SETTINGS),
    )
    assert await queries.schema_is_installed()
    assert list((await queries.plan_upgrade()).statements) == []
    await QueueManager(queries, channel=SETTINGS.channel).verify_structure()
    await connection.close()
