"""An application served over sockets in the tests' own process, as `tallygate serve` does it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from app.web.wire import HttpProtocol


class Server(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[tuple[Server, int]]:
    """A server of an application that lives already, and its port."""
    options: dict[str, Any] = {"http": HttpProtocol, "ws": "none", "lifespan": "off", "log_config": None}
    server = Server(
        uvicorn.Config(app, port=0, timeout_graceful_shutdown=1, timeout_keep_alive=60, access_log=False, **options)
    )
    serving = asyncio.create_task(server.serve())
    await server.listening.wait()
    try:
        yield server, server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serving
