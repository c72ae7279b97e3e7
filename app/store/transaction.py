"""A transaction inside one organization: what can be done in it. The wall (`tenancy.py`) alone opens and ends it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, TypeVar, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from app.domain.errors import InvalidState
from app.store.audit import seal
from app.store.connection import Unavailable, outages
from app.store.query import TENANT, Query, new_id
from app.store.tables.organization import Mode, OrganizationStatus
from app.store.tenant import Actor, News, TenantFacts
from app.store.vault.vault import Vault

Row = TypeVar("Row")

_FACTS: Final = Query(
    """
    select status, mode, time_zone, default_currency, region, coalesce(test_clock, now()) as now
    from organizations where organization_id = :organization_id
    """
)

_OVER: Final = "The request is over."

_ENTER: Final = "select set_config('app.organization_id', '{}', true)"
"""To be filled with a UUID that was parsed or made here."""


class Transaction:
    """A transaction inside one organization. One statement runs at a time; others wait their turn.

    `opened_ns`, by the monotonic clock, is no later than what it sees: whatever was heard since then it may not know.

    Whoever is cancelled while a statement runs for them takes it along: PostgreSQL is told, and undoes the transaction.
    That is right where one alone asks. Where it is `shared`, as a query's snapshot is by the fields that graphql-core
    answers at once, a statement outlives who asked for it, so that a field that fails and takes its siblings with it
    hurts no others; and all statements end with the transaction. That costs a task for each statement, which a plan,
    whose fields ask one after the other, need not pay.
    """

    def __init__(
        self,
        connection: asyncpg.Connection,
        organization_id: UUID,
        actor: Actor,
        opened_ns: int = 0,
        vault: Vault | None = None,
    ) -> None:
        self.organization_id = organization_id
        self.actor = actor
        self.vault = vault or Vault()
        self.opened_ns = opened_ns
        self._connection = connection
        self._turn = asyncio.Lock()
        self._ended = False
        self._going: set[asyncio.Task[Any]] = set()
        self.shared = False
        self.broken = False
        """Whether a statement failed: PostgreSQL then answers nothing but a rollback."""
        self.statements = 0

    async def fetch(self, query: Query[Row], **parameters: Any) -> list[Row]:
        """Run a statement for its rows."""
        parameters[TENANT] = self.organization_id
        records = await self._run(self._connection.fetch, query.sql, *query.arguments(parameters))
        return cast("list[Row]", records) if query.row is None else list(map(query.row, records))

    async def fetch_row(self, query: Query[Row], **parameters: Any) -> Row | None:
        """Run a statement for its first row; None where it gives none."""
        rows = await self.fetch(query, **parameters)
        return rows[0] if rows else None

    async def fetch_value(self, query: Query[Any], **parameters: Any) -> Any:
        """Run a statement for the first column of its first row; None where it gives none."""
        row = await self.fetch_row(query, **parameters)
        return None if row is None else row[0]

    async def execute(self, query: Query[Any], **parameters: Any) -> int:
        """Run a statement and give the number of rows that it touched."""
        parameters[TENANT] = self.organization_id
        status = await self._run(self._connection.execute, query.sql, *query.arguments(parameters))
        return int(status.rpartition(" ")[2])

    async def turn_to_end(self) -> asyncpg.Connection:
        """Let no statement begin from now on, wait until none runs, and give the connection to be ended.

        One that runs though nobody waits for it any more is cancelled.
        """
        self._ended = True
        for statement in self._going:
            statement.cancel()
        async with self._turn:
            return self._connection

    async def execute_many(self, query: Query[Any], rows: Iterable[Mapping[str, Any]]) -> None:
        """Run a statement once for each set of parameters."""
        arguments = [query.arguments({**row, TENANT: self.organization_id}) for row in rows]
        await self._run(self._connection.executemany, query.sql, arguments)

    def _run(self, method: Callable[..., Awaitable[Any]], *arguments: Any) -> Awaitable[Any]:
        statement = self._in_turn(method, *arguments)
        return self._outliving(statement) if self.shared else statement

    async def _in_turn(self, method: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        """Wait for the connection's turn. Raises Unavailable where PostgreSQL gave up: time, a lock, a restart."""
        async with self._turn:
            if self._ended:
                raise Unavailable(_OVER)
            self.statements += 1
            try:
                with outages(self._connection):
                    return await method(*arguments)
            except BaseException:
                self.broken = True
                raise

    async def _outliving(self, statement: Coroutine[Any, Any, Any]) -> Any:
        """Wait for a statement that goes on where who waits is cancelled.

        Raises Unavailable also where the transaction ends meanwhile, and where a statement before it broke it.
        """
        going = asyncio.create_task(statement)
        self._going.add(going)
        going.add_done_callback(self._going.discard)
        try:
            return await asyncio.shield(going)
        except asyncio.CancelledError:
            if going.cancelled():
                raise Unavailable(_OVER) from None
            raise
        except asyncpg.InFailedSQLTransactionError as error:
            raise Unavailable("A statement before this one failed, and the snapshot with it.") from error


class WriteTransaction(Transaction):
    """A transaction that may write. `now` is its one instant, by the tenant's clock.

    `news` is what others are to be told once it is committed; None where nobody carries that on (see `news.py`).
    """

    now: datetime
    facts: TenantFacts

    def __init__(
        self,
        connection: asyncpg.Connection,
        organization_id: UUID,
        actor: Actor,
        at: datetime | None,
        news: set[News] | None = None,
        vault: Vault | None = None,
    ) -> None:
        super().__init__(connection, organization_id, actor, vault=vault)
        self.news = news
        self.recorded: list[dict[str, Any]] = []
        """The audit records that are to be written with the commit."""
        self._at = at
        self._depth = 0

    async def learn_facts(self, *, whatever_status: bool = False) -> None:
        """Read the organization's facts and its clock. Raises InvalidState where it may not change anything."""
        facts = cast("Any", await self.fetch_row(_FACTS))
        if facts is None:
            raise Unavailable("The organization is gone.")
        self.facts = TenantFacts(
            status=OrganizationStatus(facts["status"]),
            mode=Mode(facts["mode"]),
            zone=ZoneInfo(facts["time_zone"]),
            default_currency=facts["default_currency"],
            region=facts["region"],
        )
        self.now = self._at or facts["now"]
        if self.facts.status is not OrganizationStatus.ACTIVE and not whatever_status:
            raise InvalidState(f"The organization is {self.facts.status}: nothing can be changed in it.")

    @asynccontextmanager
    async def savepoint(self) -> AsyncGenerator[None]:
        """What happens inside is undone where it raises; the transaction goes on."""
        self._depth += 1
        name = f"step_{self._depth}"
        before = len(self.recorded)
        await self._command(f"savepoint {name}")
        try:
            yield
        except BaseException:
            del self.recorded[before:]
            await self._command(f"rollback to savepoint {name}")
            raise
        finally:
            self._depth -= 1
        await self._command(f"release savepoint {name}")

    @asynccontextmanager
    async def found_organization(self) -> AsyncGenerator["WriteTransaction"]:
        """Go on, in the same transaction, inside an organization that does not exist yet, to make it.

        Its id is made here, so that no organization that exists can be entered this way. Where the block raises, the
        rollback that follows takes the setting back too.
        """
        founding = WriteTransaction(self._connection, new_id(), self.actor, self._at, vault=self.vault)
        founding.now = self.now
        await self._command(_ENTER.format(founding.organization_id))
        yield founding
        await seal(founding)
        await self._command(_ENTER.format(self.organization_id))

    async def check_deferred(self) -> None:
        """Check now what PostgreSQL would check at the commit."""
        await self._command("set constraints all immediate")

    async def _command(self, text: str) -> None:
        await self._run(self._connection.execute, text)
