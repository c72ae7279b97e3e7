"""A client that costs next to nothing beside the server that it asks: bytes out, bytes in, connections kept open."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self, cast

import httptools
import orjson

LAST_SECONDS_MAX = 60
"""How long what is under way at the end is waited for."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as bytes, and the port it goes to."""

    port: int
    content: bytes


def post(port: int, path: str, headers: Mapping[str, str], body: Mapping[str, object]) -> Request:
    """A POST of JSON."""
    content = orjson.dumps(body)
    lines = [f"POST {path} HTTP/1.1", f"host: 127.0.0.1:{port}", "content-type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"content-length: {len(content)}", "accept: application/json", "", ""]
    return Request(port, "\r\n".join(lines).encode() + content)


@dataclass(slots=True)
class Heard:
    """What came back: how long each answer took in seconds, how many had which status, and the last body."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    body: bytes = b""

    def all_answered(self) -> Self:
        """Raises ConnectionError where an answer is another than 200."""
        if set(self.statuses) - {200}:
            raise ConnectionError(f"{dict(self.statuses)}: {self.body[:500]!r}")
        return self


async def ask_once(request: Request) -> Heard:
    """One answer. Raises OSError where nobody listens, ConnectionError for another than 200."""
    heard = Heard()
    connection = await _Connection.open(request.port)
    try:
        await connection.ask(request, heard)
    finally:
        connection.close()
    return heard.all_answered()


async def ask_for(requests: Sequence[Request], *, connections: int, seconds: float) -> Heard:
    """Ask them in turn on that many connections for that long, again as soon as one was answered, whatever it was."""
    heard = Heard()
    following = itertools.cycle(requests)
    until = time.perf_counter() + seconds

    async def go_on(connection: _Connection) -> None:
        await connection.ask(next(following), heard)
        while time.perf_counter() < until:
            await connection.ask(next(following), heard)

    asking = [await _Connection.open(requests[0].port) for _ in range(connections)]
    try:
        async with asyncio.timeout(seconds + LAST_SECONDS_MAX):
            await asyncio.gather(*(go_on(connection) for connection in asking))
    finally:
        for connection in asking:
            connection.close()
    return heard


async def ask_every(pause: float, request: Request, *, seconds: float) -> Heard:
    """Ask it at fixed instants for that long, whether or not the last answer is there."""
    heard = Heard()
    idle: list[_Connection] = []

    async def once() -> None:
        connection = idle.pop() if idle else await _Connection.open(request.port)
        await connection.ask(request, heard)
        idle.append(connection)

    async with asyncio.timeout(seconds + LAST_SECONDS_MAX), asyncio.TaskGroup() as group:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            group.create_task(once())
            await asyncio.sleep(pause)
    for connection in idle:
        connection.close()
    return heard


class _Connection(asyncio.Protocol):
    _transport: asyncio.WriteTransport
    _answered: asyncio.Future[None]

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect. Raises OSError where nobody listens."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    async def ask(self, request: Request, heard: Heard) -> None:
        """Send it and wait for the whole answer. Raises ConnectionError where the server hangs up."""
        self._answered = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        sent = time.perf_counter()
        self._transport.write(request.content)
        await self._answered
        heard.seconds.append(time.perf_counter() - sent)
        heard.statuses[self._parser.get_status_code()] += 1
        heard.body = b"".join(self._body)

    def close(self) -> None:
        """Hang up."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Take in a piece; whatever is wrong with it ends the asking."""
        try:
            self._parser.feed_data(data)
        except Exception as error:  # noqa: BLE001 - told where it is waited for
            self._answered.set_exception(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody may hang up but we."""
        if hasattr(self, "_answered") and not self._answered.done():
            self._answered.set_exception(exc or ConnectionError("the server hung up"))

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Called by the parser: an answer is whole."""
        self._answered.set_result(None)
