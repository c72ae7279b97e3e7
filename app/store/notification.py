"""Hearing what other processes changed: one connection for each process, outside the pool, that listens.

A transaction that notifies is heard once it is committed, by every process that listens to the channel, its own too.
What is said while nobody listens is lost: so whoever keeps something because nothing was heard against it keeps it
only while the listener is `trusted`, and forgets all of it when told that something may have been missed.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import asyncpg
import structlog

from app.store.query import Query
from app.store.tenancy import WriteTransaction

log = structlog.get_logger(__name__)

APPLICATION: Final = "tallygate listener"
"""How PostgreSQL shows the connection in pg_stat_activity."""

Heard = Callable[[str], None]
"""Told what was said on a channel."""

Missed = Callable[[], None]
"""Told that something may have been said unheard."""

_OUTAGES: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # between PostgreSQL's farewell and its hanging up
)

SAY: Final = "select pg_notify($1, said) from unnest($2::text[]) said"

_NOTIFY: Final = Query[Any](
    "select pg_notify(:channel, :payload)", unfiltered_because="it touches no row: who listens is every process"
)


async def notify(tx: WriteTransaction, channel: str, payload: str) -> None:
    """Say it to every process that listens to the channel, once the transaction is committed; never if it is undone.

    Every login of the database can listen: say ids, not facts. Repeats within a transaction are said once.
    """
    await tx.execute(_NOTIFY, channel=channel, payload=payload)


@dataclass(frozen=True, slots=True)
class Patience:
    """How soon a listener finds out that its connection is dead, and how soon it makes another."""

    beat: timedelta = timedelta(seconds=5)
    """After how long a silence it asks PostgreSQL for a sign of life."""
    answer: timedelta = timedelta(seconds=3)
    """How long it waits for one, and for a new connection."""
    retry: timedelta = timedelta(milliseconds=200)
    """How long it waits after its first failure to connect; twice as long after each further one."""
    retry_max: timedelta = timedelta(seconds=5)


class Unheard(Exception):
    """There is no connection to say it on, or it broke: say it again later."""


class Listener:
    """The one ear of a process, and its voice beside its transactions.

    Subscribe to channels, then `open` it; it mends its connection by itself.
    """

    def __init__(self, url: str, patience: Patience | None = None) -> None:
        """`url` leads to PostgreSQL itself: a pooler that lends connections by the transaction cannot listen."""
        self._url = url
        self._patience = patience or Patience()
        self._channels: dict[str, list[Heard]] = {}
        self._missed: list[Missed] = []
        self._trusted = False
        self.trusted_since_ns = 0
        """By the monotonic clock: what was begun later, while it is still trusted, was all heard of."""
        self._connected: asyncpg.Connection | None = None
        self._turn = asyncio.Lock()
        self._lost = asyncio.Event()
        self._tried = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def trusted(self) -> bool:
        """Whether all that is said is heard. What was kept while this was true is forgotten before it is again."""
        return self._trusted

    def subscribe(self, channel: str, heard: Heard, missed: Missed) -> None:
        """Have `heard` told what is said on a channel, and `missed` whenever some of it may have been lost.

        Both are called in the event loop and must neither wait nor raise.
        """
        if self._task is not None:
            raise AssertionError("Subscribe before the listener is opened.")
        self._channels.setdefault(channel, []).append(heard)
        self._missed.append(missed)

    async def open(self) -> None:
        """Begin to listen; comes back once that was tried, in vain or not. It goes on trying until `close`."""
        self._task = asyncio.create_task(self._run())
        await self._tried.wait()

    async def close(self) -> None:
        """Hang up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def say(self, channel: str, payloads: Sequence[str]) -> None:
        """Say it to every other process now, in no transaction but its own: for what is committed already.

        A commit that notifies waits for all others that do; this one stores nothing and is waited for by nobody's
        commit for long. Raises Unheard.
        """
        connection = self._connected
        if connection is None:
            raise Unheard
        try:
            async with self._turn, asyncio.timeout(self._patience.answer.total_seconds()):
                await connection.execute(SAY, channel, list(payloads))
        except _OUTAGES as error:
            raise Unheard from error

    async def _run(self) -> None:
        wait = self._patience.retry
        while True:
            try:
                async with self._connection() as connection:
                    wait = self._patience.retry
                    await self._stay(connection)
            except _OUTAGES as error:
                log.warning("notification.connection_lost", exception=repr(error))
            self._tried.set()
            await asyncio.sleep(wait.total_seconds())
            wait = min(wait * 2, self._patience.retry_max)

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[asyncpg.Connection]:
        """A connection that listens to every channel; the listener is trusted for as long as it lives."""
        async with asyncio.timeout(self._patience.answer.total_seconds()):
            connection = await asyncpg.connect(self._url, server_settings={"application_name": APPLICATION})
        try:
            async with asyncio.timeout(self._patience.answer.total_seconds()):
                for channel in self._channels:
                    await connection.add_listener(channel, self._hear)
            connection.add_termination_listener(self._doubt)
            self._lost.clear()
            self._trusted = not connection.is_closed()
            self.trusted_since_ns = time.monotonic_ns()
            self._connected = connection
            self._tried.set()
            yield connection
        finally:
            self._connected = None
            self._doubt()
            with contextlib.suppress(asyncpg.InterfaceError):
                connection.terminate()

    async def _stay(self, connection: asyncpg.Connection) -> None:
        """Ask for a sign of life now and then, for a dead network says nothing. Raises where none comes."""
        while self._trusted:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._lost.wait(), self._patience.beat.total_seconds())
            async with asyncio.timeout(self._patience.answer.total_seconds()), self._turn:
                await connection.fetchval("select 1")

    def _hear(self, connection: Any, process: int, channel: str, payload: Any) -> None:
        if process == connection.get_server_pid():
            return
        for heard in self._channels[channel]:
            heard(str(payload))

    def _doubt(self, _connection: Any = None) -> None:
        """Trust nothing from now on; whoever kept something forgets it."""
        self._trusted = False
        self._lost.set()
        for missed in self._missed:
            missed()
