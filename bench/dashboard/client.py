"""A client that keeps its connections open and asks again as soon as it was answered."""

import asyncio
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import httptools
import orjson


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
    """What came back: how long each answer took in seconds, and the last one."""

    seconds: list[float] = field(default_factory=list)
    status: int = 0
    body: bytes = b""


async def ask_once(request: Request) -> Heard:
    """One answer. Raises OSError where nobody listens."""
    return await _ask([request], connections=1, seconds=0)


async def ask_for(requests: Sequence[Request], *, connections: int, seconds: float) -> Heard:
    """Ask them in turn on that many connections for that long; what is under way at the end is waited for."""
    return await _ask(requests, connections=connections, seconds=seconds)


async def _ask(requests: Sequence[Request], *, connections: int, seconds: float) -> Heard:
    heard = Heard()
    following = itertools.cycle(requests)
    until = time.perf_counter() + seconds
    asking = [_Connection(following, heard, until) for _ in range(connections)]
    loop = asyncio.get_running_loop()
    for connection in asking:
        await loop.create_connection(lambda connection=connection: connection, "127.0.0.1", requests[0].port)
    try:
        async with asyncio.timeout(seconds + 60):
            await asyncio.gather(*(connection.ended for connection in asking))
    finally:
        for connection in asking:
            connection.close()
    return heard


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[Request], heard: Heard, until: float) -> None:
        self._requests = requests
        self._heard = heard
        self._until = until
        self._transport: asyncio.WriteTransport | None = None
        self.ended = asyncio.get_running_loop().create_future()

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        """Take in a piece."""
        try:
            self._parser.feed_data(data)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with an answer ends the run
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody may hang up but we."""
        self._fail(exc or ConnectionError("the server hung up"))

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Called by the parser: an answer is whole."""
        now = time.perf_counter()
        self._heard.seconds.append(now - self._sent)
        self._heard.status = self._parser.get_status_code()
        self._heard.body = b"".join(self._body)
        if self._heard.status != 200:
            self._fail(ConnectionError(f"{self._heard.status}: {self._heard.body[:500]!r}"))
        elif now >= self._until:
            self.ended.set_result(None)
        else:
            self._send()

    def _send(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        request = next(self._requests)
        self._sent = time.perf_counter()
        self._transport.write(request.content)

    def _fail(self, error: Exception) -> None:
        if not self.ended.done():
            self.ended.set_exception(error)
