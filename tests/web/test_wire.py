"""What goes over the wire is what uvicorn would send, in fewer packets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from app.web.wire import HttpProtocol, Together

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Recorder(asyncio.Transport):
    """A transport that remembers each write."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.sent.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ([HEAD, b"plugh"], [HEAD + b"plugh"]),
        ([HEAD, b"pl", b"ugh"], [HEAD + b"pl", b"ugh"]),
        ([CHUNKED, b"5\r\nplugh\r\n"], [CHUNKED, b"5\r\nplugh\r\n"]),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", HEAD, b"plugh"], [b"HTTP/1.1 100 Continue\r\n\r\n", HEAD + b"plugh"]),
        ([HEAD], []),
    ],
)
def test_a_head_goes_with_its_body(written: list[bytes], sent: list[bytes]) -> None:
    """Where its length is known; what is streamed, or only says to go on, does not wait."""
    recorder = Recorder()
    together = Together(recorder)
    for part in written:
        together.write(part)
    assert recorder.sent == sent


def test_a_head_without_a_body_is_sent_at_the_end() -> None:
    """Of an answer, or of the connection."""
    recorder = Recorder()
    together = Together(recorder)
    together.write(HEAD)
    together.flush()
    together.write(HEAD)
    together.close()
    assert recorder.sent == [HEAD, HEAD]
    assert recorder.closed


async def greet(request: Request) -> Response:
    return PlainTextResponse(f"hello {(await request.body()).decode()}")


async def stream(_request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.Event().wait()

    return StreamingResponse(parts())


class Server(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server that speaks so."""
    app = Starlette(routes=[Route("/greet", greet, methods=["GET", "POST"]), Route("/stream", stream)])
    options: dict[str, Any] = {"http": HttpProtocol, "ws": "none", "log_level": "critical", "lifespan": "off"}
    server = Server(uvicorn.Config(app, port=0, timeout_graceful_shutdown=1, **options))
    serving = asyncio.create_task(server.serve())
    await server.listening.wait()
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        server.should_exit = True
        await serving


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
