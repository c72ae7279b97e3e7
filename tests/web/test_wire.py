"""What goes over the wire is what uvicorn would send, in fewer pieces."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from app.web.edge import Edge
from app.web.middleware import RequestIdMiddleware
from app.web.wire import Outbox
from tests.web.serving import served


async def greet(request: Request) -> Response:
    return PlainTextResponse(f"hello {(await request.body()).decode()}")


async def say_more(_request: Request) -> Response:
    return PlainTextResponse("hello", headers={"x-more": "one\r\nx-smuggled: two"})


async def close(_request: Request) -> Response:
    return PlainTextResponse("bye", headers={"connection": "close"})


async def nothing(_request: Request) -> Response:
    return Response(status_code=204)


async def all_but_the_end(_request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        yield b"hello "

    return StreamingResponse(parts(), headers={"content-length": "6"})


async def lie(scope: Any, _receive: Any, send: Any) -> None:
    """Say that more is coming than comes."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
        await send({"type": "http.response.body", "body": b"hello"})


async def fall(scope: Any, _receive: Any, send: Any) -> None:
    """Fail between the head and the body."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
    raise RuntimeError(scope["path"])


async def stream(_request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.Event().wait()

    return StreamingResponse(parts())


ROUTES = [
    Route("/greet", greet, methods=["GET", "POST"]),
    Route("/more", say_more),
    Route("/close", close),
    Route("/nothing", nothing),
    Route("/parts", all_but_the_end),
    Route("/stream", stream),
]

APP = Edge({"/lie": lie, "/fall": fall}, [Middleware(RequestIdMiddleware)], routes=ROUTES)


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to such a server."""
    async with served(APP) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield reader, writer
        finally:
            writer.close()


def get(path: str) -> bytes:
    """A request as bytes."""
    return f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode()


async def test_requests_follow_each_other_on_a_connection() -> None:
    """Pipelined, with a body that waits to be asked for, with no body in the answer, and the last one closing."""
    async with connected() as (reader, writer), asyncio.timeout(10):
        writer.write(b"GET /greet HTTP/1.1\r\nhost: x\r\n\r\nHEAD /greet HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await reader.readuntil(b"hello ")).startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"content-length: 6\r\n" in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"POST /greet HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"plugh")
        assert (await reader.readuntil(b"hello plugh")).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.write(b"GET /greet HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"\r\n\r\nhello ")


async def test_what_is_no_http_is_refused_and_the_connection_closed() -> None:
    """With an answer."""
    async with connected() as (reader, writer), asyncio.timeout(10):
        writer.write(b"xyzzy\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 Bad Request\r\n")


async def test_a_stream_does_not_wait_for_its_end() -> None:
    """Its first part comes while the rest is not there."""
    async with connected() as (reader, writer), asyncio.timeout(10):
        writer.write(b"GET /stream HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await reader.readuntil(b"first")).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_no_header_smuggles_another_in() -> None:
    """What uvicorn refuses is refused."""
    async with connected() as (reader, writer), asyncio.timeout(10):
        writer.write(get("/more"))
        answer = await reader.read()
    assert b"smuggled" not in answer


async def test_an_answer_that_fails_before_its_body_is_a_masked_error() -> None:
    """Its head was not sent yet; the connection goes on."""
    async with connected() as (reader, writer), asyncio.timeout(10):
        writer.write(get("/fall") + get("/greet"))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
        assert b'"code":"INTERNAL"' in await reader.readuntil(b"]}")
        assert (await reader.readuntil(b"hello ")).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    ("path", "beginning", "end"),
    [
        ("/close", b"HTTP/1.1 200 OK\r\n", b"\r\n\r\nbye"),
        ("/lie", b"HTTP/1.1 200 OK\r\n", b"\r\n\r\nhello"),
    ],
)
async def test_the_connection_ends_where_uvicorn_would_end_it(path: str, beginning: bytes, end: bytes) -> None:
    """Where an answer says so, or is shorter than it says."""
    async with connected() as (reader, writer), asyncio.timeout(10):
        writer.write(get(path))
        answer = await reader.read()
    assert answer.startswith(beginning)
    assert answer.endswith(end)


async def test_an_answer_without_a_body_keeps_the_connection() -> None:
    """And is followed by the next."""
    async with connected() as (reader, writer), asyncio.timeout(10):
        writer.write(get("/nothing") + get("/greet"))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204 No Content\r\n")
        assert (await reader.readuntil(b"hello ")).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_answers_follow_each_other_in_order() -> None:
    """Pipelined ones, whether they are sent in one piece or in several."""
    paths = ["/greet", "/nothing", "/parts", "/greet", "/greet", "/parts", "/nothing", "/greet"]
    async with connected() as (reader, writer), asyncio.timeout(10):
        writer.write(b"".join(map(get, paths)))
        statuses = []
        for path in paths:
            head = await reader.readuntil(b"\r\n\r\n")
            statuses.append(head.split(b" ")[1])
            if path != "/nothing":
                assert await reader.readexactly(6) == b"hello "
    assert statuses == [b"204" if path == "/nothing" else b"200" for path in paths]


class Cycle:
    """As much of uvicorn's request as an outbox knows."""

    def __init__(self, name: str, told: list[str], *, gone: bool = False, broken: bool = False) -> None:
        self.message_event = asyncio.Event()
        self.transport = self
        self._name = name
        self._told = told
        self._gone = gone
        self._broken = broken

    def is_closing(self) -> bool:
        return self._gone

    def abort(self) -> None:
        self._told.append(f"{self._name} aborted")

    def write(self, data: bytes) -> None:
        if self._broken:
            raise RuntimeError(self._name)
        self._told.append(f"{self._name} sent {data.decode()}")

    def on_response(self) -> None:
        self._told.append(f"{self._name} over")


async def test_answers_of_a_round_leave_together_after_it() -> None:
    """Each is over only once it is sent; one whose client is gone is not sent."""
    told: list[str] = []
    outbox = Outbox()
    outbox.add(Cycle("one", told), b"a")
    outbox.add(Cycle("two", told, gone=True), b"b")
    outbox.add(Cycle("three", told), b"c")
    assert told == []
    await asyncio.sleep(0)
    assert told == ["one sent a", "one over", "two over", "three sent c", "three over"]


async def test_a_connection_that_breaks_hurts_no_other() -> None:
    """It is closed, and what waits behind it is sent."""
    told: list[str] = []
    outbox = Outbox()
    outbox.add(Cycle("one", told, broken=True), b"a")
    outbox.add(Cycle("two", told), b"b")
    await asyncio.sleep(0)
    assert told == ["one aborted", "two sent b", "two over"]


async def test_an_answer_does_not_wait_for_a_long_round() -> None:
    """Others that are ready may take long."""
    told: list[str] = []
    outbox = Outbox()
    outbox.add(Cycle("one", told), b"a")
    time.sleep(0.002)  # noqa: ASYNC251 - a callback that takes long
    outbox.add(Cycle("two", told), b"b")
    assert told == ["one sent a", "one over", "two sent b", "two over"]


async def test_a_server_that_ends_sends_what_waits() -> None:
    """An answer that is made in the very round in which connections are closed."""
    async with served(APP) as (server, port), asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(get("/greet"))
        await reader.readuntil(b"hello ")
        (protocol,) = server.server_state.connections
        sent = protocol.outbox.add
        told = asyncio.Event()

        def add_and_close(cycle: Any, answer: bytes) -> None:
            sent(cycle, answer)
            protocol.shutdown()
            told.set()

        protocol.outbox.add = add_and_close
        writer.write(get("/greet"))
        await told.wait()
        assert (await reader.read()).endswith(b"\r\n\r\nhello ")
        writer.close()
