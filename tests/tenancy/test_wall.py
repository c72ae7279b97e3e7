"""The wall itself, tried from inside: PostgreSQL, as the app's own role, keeps tenants apart and books as they are."""

import asyncio
import itertools
import random
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

import asyncpg
import pytest

from app.api.ids import parsed
from app.store.connection import ACQUIRE_SECONDS, ConnectionPool, Unavailable
from app.store.meter import insert_meter
from app.store.migration import head_revision
from app.store.query import Query, new_id
from app.store.roles import APP, DIRECTORY, OWNER
from app.store.row_security import partitions
from app.store.system import SystemDatabase, UnsafeDatabase
from app.store.tables import metadata
from app.store.tenancy import Actor, Database, WriteTransaction
from tests.caller import Founder
from tests.tenancy.records import Records, full_organization

TABLES = sorted(metadata.tables)
APPEND_ONLY = [
    "audit_records",
    "ledger_entries",
    "ledger_transactions",
    "usage_corrections",
    "usage_events",
    "usage_identities",
]
ACTOR = Actor("SYSTEM", "test", "test")
TENANT = "organization_id = (select current_organization())"
ENTER = "select set_config('app.organization_id', $1, true)"

ALL_METERS = Query("select organization_id, key from meters", unfiltered_because="row security alone is to hold")
ME = Query("select current_setting('app.organization_id')", unfiltered_because="it reads no table")
SLEEP = Query("select pg_sleep(:seconds)", unfiltered_because="it reads no table")
NONSENSE = Query("select 1 / :zero ::int", unfiltered_because="it reads no table")


class Server(Protocol):
    """A PostgreSQL server."""

    def url(self, database: str, user: str | None = None) -> str: ...


@pytest.fixture(scope="module")
async def one(founder: Founder, database: Database) -> Records:
    return await full_organization(founder, database, "bandicoot", amount=8_123)


@pytest.fixture(scope="module")
async def other(founder: Founder, database: Database) -> Records:
    return await full_organization(founder, database, "capybara", amount=9_127)


@pytest.fixture
async def app_role(app_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the app, with nothing of ours between it and PostgreSQL."""
    connection = await asyncpg.connect(app_url)
    yield connection
    await connection.close()


@pytest.fixture
async def owner_role(owner_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the role that owns every table."""
    connection = await asyncpg.connect(owner_url)
    await connection.execute(f"set role {OWNER}")
    yield connection
    await connection.close()


@pytest.fixture(params=["as the app", "as the owner"])
async def any_role(
    request: pytest.FixtureRequest, app_role: asyncpg.Connection, owner_role: asyncpg.Connection
) -> asyncpg.Connection:
    """One connection after the other."""
    return app_role if request.param == "as the app" else owner_role


@pytest.fixture
async def narrow_pool(app_url: str) -> AsyncIterator[ConnectionPool]:
    """A pool of one connection: whoever comes next gets what the last one left."""
    pool = ConnectionPool(app_url, size=1)
    await pool.open()
    yield pool
    await pool.close()


def uuid_from(id_: str) -> uuid.UUID:
    return parsed(id_)[1]


@asynccontextmanager
async def inside(connection: asyncpg.Connection, organization_id: str) -> AsyncIterator[None]:
    """A transaction inside an organization, rolled back at the end."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(ENTER, str(uuid_from(organization_id)))
        yield
    finally:
        await transaction.rollback()


class TestWithoutTenant:
    """No organization is set, was set, or can be read."""

    @pytest.mark.usefixtures("one")
    @pytest.mark.parametrize("table", TABLES)
    async def test_a_select_raises(self, table: str, any_role: asyncpg.Connection) -> None:
        """It does not give nothing quietly, as a fresh connection and as one that had a tenant before (M26)."""
        for setting in (None, "", "nonsense"):
            async with any_role.transaction():
                if setting is not None:
                    await any_role.execute(ENTER, setting)
                with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.InvalidTextRepresentationError)):
                    async with any_role.transaction():
                        await any_role.fetch(f"select * from {table}")

    @pytest.mark.parametrize("table", TABLES)
    async def test_an_insert_raises(
        self, one: Records, table: str, app_role: asyncpg.Connection, administrator: asyncpg.Connection
    ) -> None:
        """A row for any organization needs to be inside it."""
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="no organization is set"):
            await copy_row(app_role, table, await row_of(administrator, table, one.organization))


async def row_of(administrator: asyncpg.Connection, table: str, organization_id: str) -> str:
    """A row of an organization, as JSON."""
    found = await administrator.fetchval(
        f"select to_jsonb(t) from {table} t where organization_id = $1 limit 1", uuid_from(organization_id)
    )
    assert found is not None, f"the organization has no row in {table}: nothing would be proved"
    return found


async def copy_row(connection: asyncpg.Connection, table: str, row: str) -> None:
    columns = await written_columns(connection, table)
    await connection.execute(
        f"insert into {table} ({columns}) select {columns} from jsonb_populate_record(null::{table}, $1::jsonb)", row
    )


async def written_columns(connection: asyncpg.Connection, table: str) -> str:
    """All columns of a table but those that PostgreSQL makes itself."""
    return await connection.fetchval(
        """select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
        where attrelid = $1::text::regclass and attnum > 0 and not attisdropped and attgenerated = ''""",
        table,
    )


class TestAnotherTenant:
    """Inside one organization, trying for another's rows."""

    @pytest.mark.parametrize("table", TABLES)
    async def test_no_row_is_seen(self, one: Records, other: Records, table: str, any_role: asyncpg.Connection) -> None:
        """With no condition at all, there are the organization's own rows and no other."""
        for here, elsewhere in ((one, other), (other, one)):
            async with inside(any_role, here.organization):
                seen = await any_role.fetch(f"select distinct organization_id from {table}")
                assert [row[0] for row in seen] == [uuid_from(here.organization)]
                count = f"select count(*) from {table} where organization_id = $1"
                assert await any_role.fetchval(count, uuid_from(elsewhere.organization)) == 0

    @pytest.mark.parametrize("table", TABLES)
    async def test_an_insert_is_refused(
        self,
        one: Records,
        other: Records,
        table: str,
        any_role: asyncpg.Connection,
        administrator: asyncpg.Connection,
    ) -> None:
        """WITH CHECK refuses a row for another organization."""
        row = await row_of(administrator, table, one.organization)
        async with inside(any_role, other.organization):
            # A line's trigger comes before the policy, and finds no draft of that organization.
            expected = "are locked" if table == "invoice_line_items" else "violates row-level security policy"
            with pytest.raises(asyncpg.PostgresError, match=expected):
                await copy_row(any_role, table, row)

    @pytest.mark.parametrize("table", TABLES)
    async def test_an_update_touches_nothing(
        self, one: Records, other: Records, table: str, app_role: asyncpg.Connection
    ) -> None:
        """Without any condition it touches the organization's own rows alone; of others' it finds none."""
        columns = await app_role.fetch(
            "select attname from pg_attribute where attrelid = $1::text::regclass and attnum > 0"
            " and has_column_privilege(attrelid, attnum, 'update')",
            table,
        )
        if not columns:
            async with inside(app_role, other.organization):
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
                    await app_role.execute(f"update {table} set organization_id = organization_id")
            return
        same = ", ".join(f"{row[0]} = {row[0]}" for row in columns)
        async with inside(app_role, other.organization):
            own = await app_role.fetchval(f"select count(*) from {table}")
            assert await app_role.execute(f"update {table} set {same}") == f"UPDATE {own}"
            foreign = await app_role.execute(
                f"update {table} set {same} where organization_id = $1", uuid_from(one.organization)
            )
            assert foreign == "UPDATE 0"

    @pytest.mark.parametrize("table", TABLES)
    async def test_a_delete_touches_nothing(
        self, one: Records, other: Records, table: str, app_role: asyncpg.Connection
    ) -> None:
        """The app deletes from four tables, and there from its own rows alone; from no other table at all."""
        async with inside(app_role, other.organization):
            delete = f"delete from {table} where organization_id = $1"
            if await app_role.fetchval("select has_table_privilege($1, 'delete')", table):
                assert await app_role.execute(delete, uuid_from(one.organization)) == "DELETE 0"
            else:
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
                    await app_role.execute(delete, uuid_from(one.organization))

    @pytest.mark.parametrize("table", TABLES)
    async def test_a_row_cannot_be_given_away(
        self, one: Records, other: Records, table: str, owner_role: asyncpg.Connection
    ) -> None:
        """Not even the owner moves a row into another organization."""
        async with inside(owner_role, other.organization):
            with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.RestrictViolationError)):
                await owner_role.execute(f"update {table} set organization_id = $1", uuid_from(one.organization))

    async def test_a_foreign_key_does_not_reach_out(
        self, one: Records, other: Records, app_role: asyncpg.Connection
    ) -> None:
        """A row of this organization cannot refer to a record of another, though the record exists."""
        async with inside(app_role, other.organization):
            with pytest.raises(asyncpg.ForeignKeyViolationError):
                await app_role.execute(
                    "insert into subscriptions select (jsonb_populate_record(s, $1::jsonb)).* from subscriptions s"
                    " limit 1",
                    f'{{"id": "{new_id()}", "customer_id": "{uuid_from(one.customer)}"}}',
                )

    @pytest.mark.parametrize("column", ["meter_id", "customer_id", "subscription_id"])
    async def test_an_event_does_not_reach_out(
        self, one: Records, other: Records, app_role: asyncpg.Connection, column: str
    ) -> None:
        """Events have no foreign keys; what they refer to is looked for inside their organization all the same."""
        there = {"meter_id": one.meter, "customer_id": one.customer, "subscription_id": one.subscription}[column]
        for id_ in (uuid_from(there), new_id()):
            async with inside(app_role, other.organization):
                with pytest.raises(asyncpg.ForeignKeyViolationError, match="does not have"):
                    await app_role.execute(
                        "insert into usage_events select (jsonb_populate_record(e, $1::jsonb)).* from usage_events e"
                        " limit 1",
                        f'{{"id": "{new_id()}", "{column}": "{id_}"}}',
                    )

    async def test_what_is_unique_here_may_be_there(
        self, one: Records, other: Records, app_role: asyncpg.Connection
    ) -> None:
        """Another organization's key, id and number are free: taking them tells nothing (M15)."""
        async with inside(app_role, other.organization):
            copied = await app_role.execute(
                "insert into meters select (jsonb_populate_record(m, $1::jsonb)).* from meters m limit 1",
                f'{{"id": "{uuid_from(one.meter)}", "key": "{one.meter_key}"}}',
            )
            assert copied == "INSERT 0 1"

    @pytest.mark.usefixtures("one")
    async def test_partitions_are_no_way_around(
        self, other: Records, app_role: asyncpg.Connection, owner_role: asyncpg.Connection
    ) -> None:
        """The app reaches no partition by its own name; the owner does, and finds it walled like its parent."""
        for table in ("usage_events", "usage_identities", "ledger_entries"):
            for name in partitions(table):
                async with inside(app_role, other.organization):
                    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
                        await app_role.fetch(f"select * from {name}")
                async with inside(owner_role, other.organization):
                    seen = await owner_role.fetch(f"select distinct organization_id from {name}")
                    assert [row[0] for row in seen] in ([], [uuid_from(other.organization)])

    @pytest.mark.usefixtures("one")
    async def test_the_app_cannot_take_the_wall_down(self, app_role: asyncpg.Connection) -> None:
        """Nor become somebody who can."""
        for attempt in (
            "alter table customers disable row level security",
            "alter table customers no force row level security",
            "drop policy tenant on customers",
            "create policy mine on customers using (true)",
            "alter table customers disable trigger all",
            "create table mine (id int)",
            "create function mine() returns int language sql as 'select 1'",
            "set role tallygate_owner",
            "set role tallygate_directory",
            "set session_replication_role = replica",
            "alter role tallygate_app bypassrls",
            "truncate customers",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await app_role.execute(attempt)
        # Turning row security off does not pass it: it makes every query that it would filter fail.
        await app_role.execute("set row_security = off")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app_role.fetch("select * from customers")


class TestAppendOnly:
    """What is recorded stays as it was recorded (E9)."""

    @pytest.mark.parametrize("table", APPEND_ONLY)
    async def test_the_app_has_no_right_to_change_it(
        self, one: Records, table: str, app_role: asyncpg.Connection
    ) -> None:
        """No UPDATE, no DELETE, no TRUNCATE."""
        for statement in changes_of(table):
            async with inside(app_role, one.organization):
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
                    await app_role.execute(statement)

    @pytest.mark.parametrize("table", APPEND_ONLY)
    async def test_its_owner_is_refused(self, one: Records, table: str, owner_role: asyncpg.Connection) -> None:
        """Triggers refuse the three, on the table and on the partition where the rows are."""
        async with inside(owner_role, one.organization):
            names = {row[0] for row in await owner_role.fetch(f"select distinct tableoid::regclass::text from {table}")}
        for name in {table, *names}:
            for statement in changes_of(name):
                async with inside(owner_role, one.organization):
                    with pytest.raises(asyncpg.RestrictViolationError, match="is refused: its rows are never changed"):
                        await owner_role.execute(statement)

    @pytest.mark.parametrize("table", ["ledger_entries", "usage_events", "usage_identities"])
    async def test_no_partition_can_be_emptied(self, table: str, owner_role: asyncpg.Connection) -> None:
        """TRUNCATE fires no trigger of the parent, so each partition has its own."""
        for name in partitions(table):
            with pytest.raises(asyncpg.RestrictViolationError, match="is refused"):
                await owner_role.execute(f"truncate {name}")

    @pytest.mark.usefixtures("one")
    @pytest.mark.parametrize("table", APPEND_ONLY)
    async def test_a_superuser_is_refused(self, table: str, administrator: asyncpg.Connection) -> None:
        """Even as a replica, where ordinary triggers are silent."""
        await administrator.execute("set session_replication_role = replica")
        for statement in changes_of(table):
            with pytest.raises(asyncpg.RestrictViolationError, match="is refused"):
                await administrator.execute(statement)


def changes_of(table: str) -> list[str]:
    return [
        f"update {table} set organization_id = organization_id",
        f"delete from {table}",
        f"truncate {table} cascade",
    ]


class TestFinalizedInvoice:
    """A trigger locks it, whatever the program does."""

    LOCKED = (
        "number = number || 'x'",
        "subtotal_minor = subtotal_minor + 1",
        "discount_minor = discount_minor + 1",
        "tax_minor = tax_minor + 1",
        "total_minor = total_minor + 1",
        "due_at = due_at + interval '1 day'",
        "finalized_at = finalized_at - interval '1 day'",
        "notes = coalesce(notes, '') || 'x'",
        """metadata = metadata || '{"grue": "x"}'""",
        "status = 'DRAFT', number = null, finalized_at = null",
    )

    @pytest.mark.parametrize("change", LOCKED)
    async def test_cannot_be_changed(self, one: Records, change: str, app_role: asyncpg.Connection) -> None:
        """Neither number nor amounts nor dates nor what it says, nor back to a draft."""
        for invoice in (one.finalized, one.paid):
            async with inside(app_role, one.organization):
                with pytest.raises(asyncpg.RestrictViolationError, match="a finalized invoice is locked"):
                    await app_role.execute(f"update invoices set {change} where id = $1", uuid_from(invoice))

    @pytest.mark.parametrize(
        "change",
        [
            "customer_id = (select id from customers where id <> customer_id limit 1)",
            "period_start = period_start - interval '1 day'",
            "period_end = period_end + interval '1 day'",
            "currency = 'EUR'",
            "reason = 'ADJUSTMENT'",
        ],
    )
    async def test_its_owner_is_refused_too(self, one: Records, change: str, owner_role: asyncpg.Connection) -> None:
        """What the app has no right to change at all, the trigger holds against the owner."""
        async with inside(owner_role, one.organization):
            with pytest.raises(asyncpg.RestrictViolationError, match="a finalized invoice is locked"):
                await owner_role.execute(f"update invoices set {change} where id = $1", uuid_from(one.finalized))

    async def test_a_final_state_is_final(self, one: Records, app_role: asyncpg.Connection) -> None:
        """PAID goes nowhere."""
        for status in ("DRAFT", "FINALIZED", "VOID"):
            async with inside(app_role, one.organization):
                with pytest.raises(asyncpg.RestrictViolationError):
                    await app_role.execute("update invoices set status = $1 where id = $2", status, uuid_from(one.paid))

    async def test_cannot_be_deleted(
        self, one: Records, app_role: asyncpg.Connection, owner_role: asyncpg.Connection
    ) -> None:
        """A numbered document stays (M13, E2)."""
        for connection in (app_role, owner_role):
            async with inside(connection, one.organization):
                with pytest.raises(asyncpg.RestrictViolationError, match="not a draft is never deleted"):
                    await connection.execute("delete from invoices where id = $1", uuid_from(one.finalized))
        with pytest.raises(asyncpg.RestrictViolationError, match="is refused"):
            await owner_role.execute("truncate invoices cascade")

    async def test_its_lines_stay(
        self, one: Records, app_role: asyncpg.Connection, owner_role: asyncpg.Connection
    ) -> None:
        """None comes, none goes, none changes, and none is moved to or from a draft."""
        finalized, draft = uuid_from(one.finalized), uuid_from(one.draft)
        line = "insert into invoice_line_items select (jsonb_populate_record(l, $2::jsonb)).* from invoice_line_items l"
        attempts: list[tuple[asyncpg.Connection, str, tuple[Any, ...]]] = [
            (app_role, f"{line} where l.invoice_id = $1", (finalized, f'{{"id": "{new_id()}", "sort_order": 99}}')),
            (app_role, "delete from invoice_line_items where invoice_id = $1", (finalized,)),
            (owner_role, "delete from invoice_line_items where invoice_id = $1", (finalized,)),
            (owner_role, "update invoice_line_items set amount_minor = 1 where invoice_id = $1", (finalized,)),
            (owner_role, "update invoice_line_items set invoice_id = $1 where invoice_id = $2", (finalized, draft)),
            (
                owner_role,
                "update invoice_line_items set invoice_id = $1, sort_order = 99 where invoice_id = $2",
                (draft, finalized),
            ),
        ]
        for connection, statement, arguments in attempts:
            async with inside(connection, one.organization):
                with pytest.raises(asyncpg.RestrictViolationError, match="lines of a finalized invoice are locked"):
                    await connection.execute(statement, *arguments)

    async def test_a_draft_may_change(self, one: Records, app_role: asyncpg.Connection) -> None:
        """The lock holds what is finalized and nothing else."""
        async with inside(app_role, one.organization):
            draft = uuid_from(one.draft)
            assert await app_role.execute("update invoices set total_minor = 1 where id = $1", draft) == "UPDATE 1"
            assert await app_role.execute("delete from invoice_line_items where invoice_id = $1", draft) == "DELETE 1"
            assert await app_role.execute("delete from invoices where id = $1", draft) == "DELETE 1"


UNBALANCED = {
    "no posting": [],
    "a single posting": [("USD", 100, 0)],
    "two that differ": [("USD", 100, 0), ("USD", 0, 99)],
    "two on one side": [("USD", 100, 0), ("USD", 100, 0)],
    "two currencies": [("USD", 100, 0), ("EUR", 0, 100)],
    "one of two currencies": [("USD", 100, 0), ("USD", 0, 100), ("EUR", 5, 0)],
}


class TestUnbalanced:
    """A deferred constraint weighs every ledger transaction when it is committed (M9)."""

    @pytest.mark.parametrize("case", UNBALANCED)
    async def test_is_refused_at_the_commit(self, one: Records, case: str, app_role: asyncpg.Connection) -> None:
        """Fewer than two postings, or a difference in any currency."""
        transaction = app_role.transaction()
        await transaction.start()
        await app_role.execute(ENTER, str(uuid_from(one.organization)))
        await post(app_role, UNBALANCED[case])
        with pytest.raises(asyncpg.CheckViolationError, match="two postings or more that sum to zero"):
            await transaction.commit()

    async def test_a_balanced_one_is_not(self, one: Records, app_role: asyncpg.Connection) -> None:
        """Two, three, or in two currencies, each balanced."""
        for postings in (
            [("USD", 100, 0), ("USD", 0, 100)],
            [("USD", 100, 0), ("USD", 0, 60), ("USD", 0, 40)],
            [("USD", 1, 0), ("USD", 0, 1), ("EUR", 7, 0), ("EUR", 0, 7)],
        ):
            async with inside(app_role, one.organization):
                await post(app_role, postings)
                await app_role.execute("set constraints all immediate")

    async def test_nothing_is_added_to_one_that_was_posted(self, one: Records, app_role: asyncpg.Connection) -> None:
        """A posting that comes later is weighed with the rest of its transaction."""
        transaction = app_role.transaction()
        await transaction.start()
        await app_role.execute(ENTER, str(uuid_from(one.organization)))
        posted = await app_role.fetchval("select id from ledger_transactions limit 1")
        await add_posting(app_role, posted, ("USD", 5, 0))
        with pytest.raises(asyncpg.CheckViolationError):
            await transaction.commit()


SEQUENCES = itertools.count(1_000_000)


async def post(connection: asyncpg.Connection, postings: list[tuple[str, int, int]]) -> None:
    """Write a ledger transaction past the program, in the likeness of one that is there."""
    transaction_id = new_id()
    await connection.execute(
        "insert into ledger_transactions select (jsonb_populate_record(t, $1::text::jsonb)).*"
        " from ledger_transactions t limit 1",
        f'{{"id": "{transaction_id}", "cause": "test:{transaction_id}", "sequence": {next(SEQUENCES)}}}',
    )
    for posting in postings:
        await add_posting(connection, transaction_id, posting)


async def add_posting(connection: asyncpg.Connection, transaction_id: uuid.UUID, posting: tuple[str, int, int]) -> None:
    currency, debit, credit = posting
    columns = await written_columns(connection, "ledger_entries")
    await connection.execute(
        f"insert into ledger_entries ({columns}) select {columns} from jsonb_populate_record("
        "(select e from ledger_entries e where customer_id is null limit 1), $1::text::jsonb)",
        f'{{"id": "{new_id()}", "transaction_id": "{transaction_id}", "currency": "{currency}",'
        f' "debit_minor": {debit}, "credit_minor": {credit}}}',
    )


async def left_on(pool: ConnectionPool) -> tuple[bool, str | None, str, str]:
    """What the next user of a connection finds on it."""
    async with pool.connection() as connection:
        row = await connection.fetchrow(
            "select nullif(current_setting('app.organization_id', true), ''), current_setting('statement_timeout'),"
            " current_setting('idle_in_transaction_session_timeout')"
        )
        return (connection.is_in_transaction(), *row)


CLEAN = (False, None, "0", "0")


class Oops(Exception):
    """Something goes wrong in the middle."""


class TestPooledConnection:
    """Nothing of a tenant stays on a connection that goes back (M26)."""

    async def test_after_a_commit_and_a_read(self, one: Records, narrow_pool: ConnectionPool) -> None:
        """Settings end with their transaction."""
        db = Database(narrow_pool).tenant(uuid_from(one.organization), ACTOR)
        async with db.write() as tx:
            assert await tx.fetch_value(ME) == str(uuid_from(one.organization))
        assert await left_on(narrow_pool) == CLEAN
        async with db.read() as tx:
            assert await tx.fetch_value(ME) == str(uuid_from(one.organization))
        assert await left_on(narrow_pool) == CLEAN

    async def test_after_a_rollback(self, one: Records, narrow_pool: ConnectionPool) -> None:
        """Of ours, of PostgreSQL's own in the middle, and of a commit that it refuses."""
        db = Database(narrow_pool).tenant(uuid_from(one.organization), ACTOR)
        with pytest.raises(Oops):
            async with db.write():
                raise Oops
        assert await left_on(narrow_pool) == CLEAN
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with db.write() as tx:
                await tx.fetch(NONSENSE, zero=0)
        assert await left_on(narrow_pool) == CLEAN
        with pytest.raises(asyncpg.CheckViolationError):
            async with db.write() as tx:
                await post(tx._connection, [])
        assert await left_on(narrow_pool) == CLEAN

    async def test_after_what_was_held(self, one: Records, narrow_pool: ConnectionPool) -> None:
        """A held snapshot, a held write, and a rehearsed one."""
        db = Database(narrow_pool).tenant(uuid_from(one.organization), ACTOR)
        await db.snapshot()
        await db.release(commit=False)
        assert await left_on(narrow_pool) == CLEAN
        for rehearse in (True, False):
            await db.hold_write()
            await db.release(commit=True, rehearse=rehearse)
            assert await left_on(narrow_pool) == CLEAN

    async def test_after_an_organization_was_founded(self, narrow_pool: ConnectionPool) -> None:
        """Also where founding fails."""
        with pytest.raises(Oops):
            async with Database(narrow_pool).found_organization(ACTOR):
                raise Oops
        assert await left_on(narrow_pool) == CLEAN

    async def test_inside_a_founded_organization_the_old_one_comes_back(
        self, one: Records, narrow_pool: ConnectionPool
    ) -> None:
        """A child is founded in its parent's transaction, which goes on inside the parent."""
        db = Database(narrow_pool).tenant(uuid_from(one.organization), ACTOR)
        async with db.write() as tx:
            async with tx.found_organization() as child:
                assert await child.fetch_value(ME) == str(child.organization_id)
                assert await tx.fetch(ALL_METERS) == []
            assert await tx.fetch_value(ME) == str(uuid_from(one.organization))
            with pytest.raises(Oops):
                async with tx.savepoint(), tx.found_organization():
                    raise Oops
            assert await tx.fetch_value(ME) == str(uuid_from(one.organization))

    async def test_after_a_cancelled_task(self, one: Records, narrow_pool: ConnectionPool) -> None:
        """Cancelled in the middle of a statement, in reading and in writing."""
        db = Database(narrow_pool).tenant(uuid_from(one.organization), ACTOR)
        for door in (db.read, db.write):

            async def sleep(door: Any = door) -> None:
                async with door() as tx:
                    await tx.fetch(SLEEP, seconds=30)

            task = asyncio.create_task(sleep())
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await left_on(narrow_pool) == CLEAN

    async def test_after_tasks_cancelled_at_any_moment(self, one: Records, app_url: str) -> None:
        """While it waits, begins, works, commits or rolls back: every connection comes back, clean."""
        pool = ConnectionPool(app_url, size=4)
        await pool.open()
        moments = random.Random(4711)
        db = [Database(pool).tenant(uuid_from(one.organization), ACTOR) for _ in range(400)]

        async def work(index: int) -> None:
            async with db[index].write() if index % 2 else db[index].read() as tx:
                await tx.fetch(ALL_METERS)

        async def cancelled(index: int) -> bool:
            task = asyncio.create_task(work(index))
            await asyncio.sleep(moments.random() * 0.02)
            asked = task.cancel()
            (result,) = await asyncio.gather(task, return_exceptions=True)
            # Whoever cancels may rely on it: the task ends cancelled, unless it was over by then.
            assert isinstance(result, asyncio.CancelledError) or not asked, (index, result)
            return asked

        try:
            asked = [await asyncio.gather(*map(cancelled, range(start, start + 8))) for start in range(0, 400, 8)]
            assert sum(map(sum, asked)) > 40
            for connection in await asyncio.gather(*(pool.acquire() for _ in range(4))):
                assert not connection.is_in_transaction()
                assert await connection.fetchval("select current_setting('app.organization_id', true)") in (None, "")
                await pool.discard(connection)
        finally:
            await pool.close()

    async def test_after_a_killed_backend(
        self, one: Records, narrow_pool: ConnectionPool, administrator: asyncpg.Connection
    ) -> None:
        """In the middle of a transaction, and while nobody uses it: the next one to come is served, cleanly."""
        db = Database(narrow_pool).tenant(uuid_from(one.organization), ACTOR)

        async def killed() -> None:
            async with db.write() as tx:
                await kill(administrator, tx._connection.get_server_pid())
                await tx.fetch(ALL_METERS)

        with pytest.raises(Unavailable):
            await killed()
        assert await left_on(narrow_pool) == CLEAN
        async with narrow_pool.connection() as connection:
            pid = connection.get_server_pid()
        await kill(administrator, pid)
        await asyncio.sleep(0.05)
        async with db.read() as tx:
            assert await tx.fetch_value(ME) == str(uuid_from(one.organization))
        assert await left_on(narrow_pool) == CLEAN

    async def test_a_setting_of_the_session_is_not_ours(self, one: Records, narrow_pool: ConnectionPool) -> None:
        """Where something set an organization for the whole session, a transaction of ours still has its own."""
        async with narrow_pool.connection() as connection:
            await connection.execute("select set_config('app.organization_id', $1, false)", str(new_id()))
        async with Database(narrow_pool).tenant(uuid_from(one.organization), ACTOR).read() as tx:
            assert {row[0] for row in await tx.fetch(ALL_METERS)} == {uuid_from(one.organization)}


async def kill(administrator: asyncpg.Connection, pid: int) -> None:
    assert await administrator.fetchval("select pg_terminate_backend($1, 5000)", pid)


class TestManyAtOnce:
    """Many tenants, few connections."""

    TENANTS, CONNECTIONS, ROUNDS = 32, 4, 100

    async def test_none_sees_anothers_row(self, founder: Founder, app_url: str) -> None:
        """32 tasks of 32 organizations do 3,200 things over 4 connections; row security alone filters."""
        pool = ConnectionPool(app_url, size=self.CONNECTIONS)
        await pool.open()
        owners = [await founder.organization() for _ in range(self.TENANTS)]
        try:
            async with asyncio.timeout(30), asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._busy(Database(pool), uuid_from(owner.organization_id), seed))
                    for seed, owner in enumerate(owners)
                ]
        finally:
            await pool.close()
        assert sum(task.result() for task in tasks) > self.TENANTS * self.ROUNDS / 4

    async def _busy(self, database: Database, me: uuid.UUID, seed: int) -> int:
        """Read and write at random, and check each time; gives how many rows it wrote."""
        dice, written = random.Random(seed), 0
        for _ in range(self.ROUNDS):
            db = database.tenant(me, ACTOR)
            match dice.choice(["read", "write", "write", "undo", "hold", "cancel"]):
                case "read":
                    async with db.read() as tx:
                        await self._check(tx, me, written)
                case "write":
                    async with db.write() as tx:
                        await self._write(tx, f"meter-{written}")
                    written += 1
                case "undo":
                    try:
                        async with db.write() as tx:
                            await self._write(tx, f"meter-{written}")
                            await self._check(tx, me, written + 1)
                            raise Oops
                    except Oops:
                        pass
                case "hold":
                    await self._check(await db.snapshot(), me, written)
                    await db.release(commit=False)
                case "cancel":
                    task = asyncio.create_task(self._stall(database, me))
                    await asyncio.sleep(dice.random() * 0.01)
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
        async with database.tenant(me, ACTOR).read() as tx:
            await self._check(tx, me, written)
        return written

    async def _check(self, tx: Any, me: uuid.UUID, written: int) -> None:
        rows = await tx.fetch(ALL_METERS)
        assert [row for row in rows if row["organization_id"] != me] == []
        assert {row["key"] for row in rows} == {f"meter-{number}" for number in range(written)}

    async def _write(self, tx: WriteTransaction, key: str) -> None:
        await insert_meter(
            tx, id=new_id(), key=key, name=key, unit=None, aggregation="SUM", property=None, created_at=tx.now
        )

    async def _stall(self, database: Database, me: uuid.UUID) -> None:
        async with database.tenant(me, ACTOR).write() as tx:
            await self._write(tx, "never")
            await tx.fetch(SLEEP, seconds=5)

    async def test_an_exhausted_pool_says_so(self, one: Records, narrow_pool: ConnectionPool) -> None:
        """Who gets no connection within two seconds is told that the database is unavailable, and may come again."""
        db = Database(narrow_pool).tenant(uuid_from(one.organization), ACTOR)
        async with db.read():
            started = time.monotonic()
            with pytest.raises(Unavailable):
                async with Database(narrow_pool).tenant(uuid_from(one.organization), ACTOR).read():
                    pass
            assert ACQUIRE_SECONDS <= time.monotonic() - started < ACQUIRE_SECONDS + 1
        async with db.read() as tx:
            assert await tx.fetch_value(ME) == str(uuid_from(one.organization))


@pytest.fixture(scope="module")
def spare(clone: Callable[[], str]) -> str:
    """A database of this module's own, for damaging."""
    return clone()


@pytest.fixture
async def temporary_role(server: Server, spare: str) -> AsyncIterator[str]:
    """A login that may do what the app may, until the test adds to it; roles belong to the whole server."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    password = urlsplit(server.url(spare, name)).password
    administrator = await asyncpg.connect(server.url(spare))
    await administrator.execute(f"create role {name} login password '{password}' in role {APP}")
    yield name
    await administrator.execute(f"reassign owned by {name} to {OWNER}; drop owned by {name}; drop role {name}")
    await administrator.close()


async def check_wall(url: str) -> None:
    pool = ConnectionPool(url, size=1)
    await pool.open()
    try:
        await SystemDatabase(pool).check_wall(head_revision())
    finally:
        await pool.close()


class TestStartUpCheck:
    """The program does not serve where the wall does not stand (M25)."""

    async def test_a_sound_wall_passes(self, server: Server, spare: str, temporary_role: str) -> None:
        """As the app, and as a login that is no more than the app."""
        await check_wall(server.url(spare, APP))
        await check_wall(server.url(spare, temporary_role))

    async def test_refuses_a_superuser(self, server: Server, spare: str) -> None:
        """The administrator's own login."""
        with pytest.raises(UnsafeDatabase, match="ignores row security"):
            await check_wall(server.url(spare))

    @pytest.mark.parametrize(
        ("power", "reason"),
        [
            ("alter role {role} bypassrls", "ignores row security"),
            ("alter role {role} superuser", "ignores row security"),
            ("create role {role}_god superuser role {role}", "ignores row security"),
            ("create role {role}_god bypassrls role {role}", "ignores row security"),
            (f"grant {OWNER} to {{role}}", "owns the tables"),
            (f"grant {OWNER} to {{role}} with inherit false", "owns the tables"),
            (f"grant {DIRECTORY} to {{role}}", "owns the tables"),
            ("alter table meters owner to {role}", "owns the tables"),
        ],
    )
    async def test_refuses_a_login_with_power(
        self, server: Server, spare: str, temporary_role: str, power: str, reason: str
    ) -> None:
        """Its own, or that of a role that it could become."""
        administrator = await asyncpg.connect(server.url(spare))
        try:
            await administrator.execute(power.format(role=temporary_role))
            with pytest.raises(UnsafeDatabase, match=reason):
                await check_wall(server.url(spare, temporary_role))
        finally:
            await administrator.execute(f"drop role if exists {temporary_role}_god")
            await administrator.close()

    @pytest.mark.parametrize(
        ("damage", "repair"),
        [
            ("alter table {table} no force row level security", "alter table {table} force row level security"),
            ("alter table {table} disable row level security", "alter table {table} enable row level security"),
            ("alter policy tenant on {table} rename to other", "alter policy other on {table} rename to tenant"),
            ("alter policy tenant on {table} using (true)", f"alter policy tenant on {{table}} using ({TENANT})"),
            (
                "alter policy tenant on {table} with check (true)",
                f"alter policy tenant on {{table}} with check ({TENANT})",
            ),
            ("create policy more on {table} using (true)", "drop policy more on {table}"),
            (f"create policy more on {{table}} for select to {APP} using (true)", "drop policy more on {table}"),
        ],
    )
    async def test_refuses_a_hole_in_the_wall(self, server: Server, spare: str, damage: str, repair: str) -> None:
        """Without FORCE, without row security at all, without its policy, or with one that lets more through."""
        await self._check_damaged(server, spare, "customers", damage, repair)

    @pytest.mark.parametrize("table", TABLES)
    async def test_refuses_a_hole_at_any_table(self, server: Server, spare: str, table: str) -> None:
        """No table is forgotten."""
        drop = "alter table {table} no force row level security"
        await self._check_damaged(server, spare, table, drop, "alter table {table} force row level security")

    async def _check_damaged(self, server: Server, database: str, table: str, damage: str, repair: str) -> None:
        await self._run(server, database, damage.format(table=table))
        try:
            with pytest.raises(UnsafeDatabase, match=f"Table {table} lacks"):
                await check_wall(server.url(database, APP))
        finally:
            await self._run(server, database, repair.format(table=table))
        await check_wall(server.url(database, APP))

    @pytest.mark.parametrize("revision", ["0001", "9999", None])
    async def test_refuses_another_revision(self, server: Server, spare: str, revision: str | None) -> None:
        """Older, newer, or none: the message says which it is and which is needed."""
        head = head_revision()
        change = f"update alembic_version set version_num = '{revision}'"
        await self._run(server, spare, change if revision else "delete from alembic_version")
        try:
            with pytest.raises(UnsafeDatabase, match=f"revision {revision or 'none'}, the program needs {head}"):
                await check_wall(server.url(spare, APP))
        finally:
            await self._run(
                server, spare, f"delete from alembic_version; insert into alembic_version values ('{head}')"
            )

    async def test_refuses_a_database_that_was_never_migrated(self, server: Server, spare: str) -> None:
        """With nothing in it at all."""
        empty = f"test_{uuid.uuid4().hex[:12]}"
        await self._run(server, spare, f"create database {empty}")
        try:
            with pytest.raises(UnsafeDatabase, match=r"revision none.*run `tallygate migrate`"):
                await check_wall(server.url(empty, APP))
        finally:
            await self._run(server, spare, f"drop database {empty} with (force)")

    async def _run(self, server: Server, database: str, statement: str) -> None:
        administrator = await asyncpg.connect(server.url(database))
        try:
            await administrator.execute(statement)
        finally:
            await administrator.close()
