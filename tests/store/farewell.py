"""Between a client and PostgreSQL: passes on what they say, and says for PostgreSQL that it goes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit, urlunsplit

FIELDS = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0"
FAREWELL = b"E" + (len(FIELDS) + 4).to_bytes(4, "big") + FIELDS
"""What each connection hears when PostgreSQL goes down, a moment before it is closed."""

Act = Callable[[], Awaitable[None]]


@asynccontextmanager
async def saying_farewell(url: str) -> AsyncIterator[tuple[str, Act, Act]]:
    """An address that leads to the same database; what says farewell on all its connections; what closes them."""
    clients: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, away = await connected_to(url)
        clients.add(writer)
        await asyncio.gather(passed_on(reader, away), passed_on(there, writer))
        clients.discard(writer)

    async def say_farewell() -> None:
        for writer in clients:
            writer.write(FAREWELL)
        await asyncio.sleep(0.1)

    async def hang_up() -> None:
        for writer in list(clients):
            writer.close()
        await asyncio.sleep(0.1)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0] or "postgres"
    port = server.sockets[0].getsockname()[1]
    try:
        through = urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{port}", query="sslmode=disable"))
        yield through, say_farewell, hang_up
    finally:
        server.close()
        await hang_up()


async def connected_to(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The server of an address, by its socket's folder or over the network."""
    parts = urlsplit(url)
    folder = parse_qs(parts.query).get("host")
    if folder:
        return await asyncio.open_unix_connection(f"{folder[0]}/.s.PGSQL.{parts.port or 5432}")
    return await asyncio.open_connection(parts.hostname, parts.port or 5432)


async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while heard := await reader.read(65_536):
            writer.write(heard)
            await writer.drain()
    writer.close()
