"""The pool of connections, private to the wall (`tenancy.py`) and the other door (`system.py`)."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson


class Unavailable(Exception):
    """The database gave no connection in time, or the connection broke: the same call may succeed later."""


class TooSlow(Unavailable):
    """A statement took longer than it may; the transaction can go on from a savepoint before it."""


class CommitUnknown(Unavailable):
    """The connection broke during a commit: whether it was stored is to be read before it is tried again."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a transaction may take, in milliseconds; PostgreSQL itself holds them."""

    statement: int = 2_000
    lock: int = 1_000
    idle: int = 5_000


@dataclass(frozen=True, slots=True)
class PoolUse:
    """How many connections are lent, how many are open, and how many there may be."""

    in_use: int
    open: int
    size: int


QueryLogger = Callable[[asyncpg.connection.LoggedQuery], None]
"""Is told of each statement once it ended."""

ACQUIRE_SECONDS = 2

GAVE_UP: Final = (
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresConnectionError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.InternalClientError,
    ConnectionError,
)
"""What comes where a statement ran into a time limit, a lock, or the end of its connection.

An InternalClientError: PostgreSQL said that it goes while nobody asked it anything, and has not hung up yet.
"""

TRY_AGAIN: Final = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
"""What PostgreSQL raises where the same transaction, run again, may succeed."""


_PLANS: Final = "set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)"
"""Every statement names its organization and every index begins with it, so reading a whole table is never right.

The plans of foreign keys and triggers are kept as long as their connection: one that was made while a table was small
would read all of it for each row once it is large.
"""


class ConnectionPool:
    """Connections as the app's own role. A connection goes back with its transaction ended, or not at all."""

    def __init__(
        self,
        url: str,
        *,
        size: int,
        timeouts: Timeouts | None = None,
        durable: bool = True,
        logger: QueryLogger | None = None,
    ) -> None:
        """`durable=False` does not wait for the disk at a commit: for what is made anew where it is lost."""
        self._url = url
        self._logger = logger
        self._size = size
        self._timeouts = timeouts or Timeouts()
        self._server_settings = {} if durable else {"synchronous_commit": "off"}
        self._pool: asyncpg.Pool | None = None

    async def open(self) -> None:
        """Connect. Raises what asyncpg raises where the server cannot be reached."""
        self._pool = await asyncpg.create_pool(
            self._url,
            min_size=1,
            max_size=self._size,
            init=self._prepare,
            reset=_keep,
            # PostgreSQL's own limit comes first, unless it does not answer at all.
            command_timeout=max(60, self._timeouts.statement // 1_000 + 30),
            server_settings=self._server_settings,
        )

    async def close(self) -> None:
        """Close every connection; those in use after 10 seconds are cut."""
        if self._pool is not None:
            try:
                await asyncio.wait_for(self._pool.close(), timeout=10)
            except TimeoutError:
                self._pool.terminate()
            self._pool = None

    async def begin(self, organization_id: UUID, *, write: bool) -> asyncpg.Connection:
        """Take a connection and open a transaction on it inside the organization, in one round trip.

        A write is read committed with row locks; a read is one repeatable-read, read-only snapshot.
        Raises Unavailable.
        """
        connection = await self.acquire()
        mode = "read committed, read write" if write else "repeatable read, read only"
        limits = self._timeouts
        try:
            # The id is a parsed UUID and the rest are our own integers, so this text holds nothing from outside.
            with outages(connection):
                await connection.execute(
                    f"begin isolation level {mode};"
                    f" select set_config('app.organization_id', '{organization_id}', true),"
                    f" set_config('statement_timeout', '{limits.statement}', true),"
                    f" set_config('lock_timeout', '{limits.lock}', true),"
                    f" set_config('idle_in_transaction_session_timeout', '{limits.idle}', true),"
                    f" {_PLANS}"
                )
        except BaseException:
            await self.discard(connection)
            raise
        return connection

    async def end(self, connection: asyncpg.Connection, *, commit: bool) -> str:
        """End the transaction and give the connection back; answers "COMMIT" or "ROLLBACK", as PostgreSQL says.

        A connection whose transaction cannot be ended is closed, so that nothing of its tenant stays.
        Raises CommitUnknown where the connection broke while it committed.
        """
        try:
            with outages(connection):
                status = await connection.execute("commit" if commit else "rollback")
        except Unavailable as error:
            await self.discard(connection)
            if commit:
                raise CommitUnknown("The connection broke while this was being stored.") from error
            return "ROLLBACK"
        except BaseException:
            await self.discard(connection)
            raise
        if connection.is_in_transaction():
            await self.discard(connection)
        else:
            await self._give_back(connection)
        return status

    async def acquire(self) -> asyncpg.Connection:
        """Take a connection. Raises Unavailable where none is free within two seconds or the server is gone."""
        if self._pool is None:
            raise Unavailable("The database is closed.")
        try:
            # The pool's own timeout would make a task for each connection that is taken.
            async with asyncio.timeout(ACQUIRE_SECONDS):
                return await self._pool.acquire()
        except (TimeoutError, OSError, asyncpg.InterfaceError, *GAVE_UP) as error:
            raise Unavailable("No database connection is free.") from error

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[asyncpg.Connection]:
        """Lend a connection outside any transaction, for the other door. Raises Unavailable."""
        connection = await self.acquire()
        try:
            with outages(connection):
                yield connection
        finally:
            await self._give_back(connection)

    async def discard(self, connection: asyncpg.Connection) -> None:
        """Close a connection for good; one that is gone already is let go."""
        with contextlib.suppress(asyncpg.InterfaceError):
            connection.terminate()
        await self._give_back(connection)

    @property
    def use(self) -> PoolUse:
        """How much of the pool is in use now."""
        if self._pool is None:
            return PoolUse(0, 0, self._size)
        opened = self._pool.get_size()
        return PoolUse(opened - self._pool.get_idle_size(), opened, self._size)

    async def _prepare(self, connection: asyncpg.Connection) -> None:
        await connection.set_type_codec(
            "jsonb", schema="pg_catalog", encoder=lambda value: orjson.dumps(value).decode(), decoder=orjson.loads
        )
        if self._logger is not None:
            connection.add_query_logger(self._logger)

    async def _give_back(self, connection: asyncpg.Connection) -> None:
        if self._pool is not None:
            await self._pool.release(connection)  # which shields itself from being cancelled


class outages:  # noqa: N801 - reads as `contextlib.suppress` does, and costs less than a generator
    """Turn what a time limit, a lock or a lost connection raises into Unavailable; our own faults pass."""

    __slots__ = ("_connection",)

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        """Raise Unavailable in place of what it stands for."""
        match error:
            case None:
                return
            case asyncpg.QueryCanceledError():
                raise TooSlow("The database took too long.") from error
            case asyncpg.InterfaceError() if not isinstance(error, GAVE_UP):
                if is_lost(self._connection):
                    raise Unavailable("The database connection broke.") from error
            case _ if isinstance(error, GAVE_UP):
                raise Unavailable("The database took too long or broke off.") from error


def is_lost(connection: asyncpg.Connection) -> bool:
    """Whether the connection is closed; the pool takes one back by itself as soon as it breaks."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True


async def _keep(_connection: Any) -> None:
    """Reset nothing: settings are local to their transaction, which has ended."""
