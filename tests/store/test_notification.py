"""Hearing what other processes changed, and knowing when one does not hear."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg

from app.domain.errors import Refusal
from app.store.cache import Found, NotifiedCache
from app.store.notification import APPLICATION, Listener, Patience, notify
from tests.caller import Caller
from tests.store.farewell import connected_to, passed_on

CHANNEL = "quux"
QUICK = Patience(
    beat=timedelta(milliseconds=50),
    answer=timedelta(milliseconds=400),
    retry=timedelta(milliseconds=20),
    retry_max=timedelta(milliseconds=40),
)


class Ear:
    """Writes down what a listener told it."""

    def __init__(self, url: str, patience: Patience = QUICK) -> None:
        self.heard: list[str] = []
        self.missed = 0
        self.listener = Listener(url, patience)
        self.listener.subscribe(CHANNEL, self.heard.append, self._miss)

    def _miss(self) -> None:
        self.missed += 1


@asynccontextmanager
async def listening(ear: Ear) -> AsyncIterator[Ear]:
    await ear.listener.open()
    try:
        yield ear
    finally:
        await ear.listener.close()


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, and not for ever."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.005)


async def say(caller: Caller, payload: str) -> None:
    async with caller.database.write() as tx:
        await notify(tx, CHANNEL, payload)


async def test_every_listener_hears_what_is_committed_and_nothing_else(app_url: str, owner: Caller) -> None:
    """Two processes hear a commit; a transaction that is undone says nothing."""
    async with listening(Ear(app_url)) as one, listening(Ear(app_url)) as other:
        try:
            async with owner.database.write() as tx:
                await notify(tx, CHANNEL, "undone")
                raise Refusal("xyzzy")
        except Refusal:
            pass
        await say(owner, "frobnicated")
        await until(lambda: bool(one.heard and other.heard))
        assert (one.heard, other.heard) == (["frobnicated"], ["frobnicated"])
        assert one.listener.trusted


async def test_a_lost_connection_is_doubted_at_once_and_made_anew(
    app_url: str, owner: Caller, administrator: asyncpg.Connection
) -> None:
    """What was kept is forgotten before anything is trusted again, and the next word is heard."""
    before = await administrator.fetch("select pid from pg_stat_activity where application_name = $1", APPLICATION)
    async with listening(Ear(app_url)) as ear:
        missed = ear.missed
        await administrator.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = $1 and datname = current_database() and pid <> all($2::int[])",
            APPLICATION,
            [row["pid"] for row in before],
        )
        await until(lambda: ear.missed > missed)
        await until(lambda: ear.listener.trusted)
        await say(owner, "plugh")
        await until(lambda: ear.heard == ["plugh"])
    assert not ear.listener.trusted


async def test_a_network_that_falls_silent_is_noticed(app_url: str) -> None:
    """Nobody hangs up, and nothing comes any more: the listener asks for a sign of life, and trusts no longer."""
    open_way = asyncio.Event()
    open_way.set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, away = await connected_to(app_url)

        async def back() -> None:
            while heard := await there.read(65_536):
                await open_way.wait()
                writer.write(heard)

        await asyncio.gather(passed_on(reader, away), back(), return_exceptions=True)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    user, _, password = _login(app_url)
    url = f"postgresql://{user}:{password}@127.0.0.1:{port}/{_database(app_url)}?sslmode=disable"
    async with listening(Ear(url)) as ear:
        assert ear.listener.trusted
        open_way.clear()
        await until(lambda: not ear.listener.trusted)
        open_way.set()
        await until(lambda: ear.listener.trusted)
    server.close()


async def test_it_opens_without_a_database_and_is_not_trusted() -> None:
    """A process starts all the same; it asks the database until the listener hears."""
    async with listening(Ear("postgresql://nobody@127.0.0.1:1/nowhere")) as ear:
        assert not ear.listener.trusted


class Shelf:
    """A cache over a listener, and a database of one word that counts how often it is read."""

    def __init__(self, ear: Ear, *, entries_max: int = 2) -> None:
        self.reads = 0
        self.word: str | None = "foo"
        self.cache: NotifiedCache[str, str] = NotifiedCache(
            ear.listener, CHANNEL, kept=timedelta(seconds=60), entries_max=entries_max
        )

    async def look(self, key: str = "k", *, lasts: timedelta | None = None, before: str | None = None) -> str | None:
        async def read() -> Found[str] | None:
            self.reads += 1
            word = self.word
            if before is not None:
                self.cache._forget(before)
            return None if word is None else Found(word, frozenset({f"about {key}"}), lasts)

        return await self.cache.fetch(key, read)


async def test_a_cache_keeps_until_it_hears_of_a_change(app_url: str, owner: Caller) -> None:
    """A change of something else leaves an entry where it is; one of its own takes it away."""
    ear = Ear(app_url)
    shelf = Shelf(ear)
    async with listening(ear):
        assert [await shelf.look(), await shelf.look(), shelf.reads] == ["foo", "foo", 1]
        await say(owner, "about another")
        await until(lambda: len(ear.heard) == 1)
        assert [await shelf.look(), shelf.reads] == ["foo", 1]
        shelf.word = "bar"
        await say(owner, "about k")
        await until(lambda: len(ear.heard) == 2)
        assert [await shelf.look(), shelf.reads] == ["bar", 2]


async def test_a_cache_gives_nothing_that_may_be_stale(app_url: str) -> None:
    """Neither before the listener is trusted, nor after it was lost, nor what was read while something changed."""
    ear = Ear(app_url)
    shelf = Shelf(ear)
    assert [await shelf.look(), await shelf.look(), shelf.reads] == ["foo", "foo", 2]
    async with listening(ear):
        await shelf.look(before="anything")
        await shelf.look()
        assert shelf.reads == 4
        await shelf.look()
        assert shelf.reads == 4
    assert [await shelf.look(), shelf.reads] == ["foo", 5]


async def test_a_cache_is_bounded(app_url: str) -> None:
    """In number, the least used goes first; in time, by what was read; and what is not there is not kept at all."""
    ear = Ear(app_url)
    shelf = Shelf(ear)
    async with listening(ear):
        for key in ("a", "b", "a", "c", "a"):
            await shelf.look(key)
        assert shelf.reads == 3
        await shelf.look("b")
        assert shelf.reads == 4
        await shelf.look("brief", lasts=timedelta(0))
        await shelf.look("brief")
        assert shelf.reads == 6
        shelf.word = None
        assert [await shelf.look("nothing"), await shelf.look("nothing"), shelf.reads] == [None, None, 8]


def _login(url: str) -> tuple[str, str, str]:
    return url.partition("://")[2].rpartition("@")[0].partition(":")


def _database(url: str) -> str:
    return url.rpartition("@")[2].partition("/")[2].partition("?")[0]
