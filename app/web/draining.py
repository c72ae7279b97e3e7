"""Leaving without losing a request: told to end, a process first says that it is not ready, and then stops listening.

Who sends it requests by /readyz goes elsewhere meanwhile. Connections that are kept alive are closed with their next
answer, so that none is closed under a request.
"""

import asyncio
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

import structlog
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger(__name__)

_CLOSE: Final = (b"connection", b"close")


class DrainingApp:
    """An application that SIGTERM makes say that it leaves, for a time, before the server's own handler stops it."""

    def __init__(self, app: ASGIApp, notice_seconds: float) -> None:
        self._app = app
        self._notice_seconds = notice_seconds
        self._leaving = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on; while leaving, answer /readyz with 503 and let each answer close its connection."""
        if scope["type"] == "lifespan":
            self._put_before(signal.getsignal(signal.SIGTERM))
        if not self._leaving or scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_and_close(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], _CLOSE]
            await send(message)

        leaving: ASGIApp = PlainTextResponse("this process is leaving\n", 503)
        await (leaving if scope["path"] == "/readyz" else self._app)(scope, receive, send_and_close)

    def _put_before(self, handler: Callable[[int, FrameType | None], Any] | int | None) -> None:
        """Take the signal first, and pass it on once the notice is over; a second one is passed on at once.

        The server sets its handler before it starts the application, so that this is the one to come before.
        """
        loop = asyncio.get_running_loop()

        def leave(number: int, frame: FrameType | None) -> None:
            def stop() -> None:
                if callable(handler):
                    handler(number, frame)

            if self._leaving:
                stop()
                return
            self._leaving = True
            loop.call_soon_threadsafe(log.info, "serving.leaving")
            loop.call_soon_threadsafe(loop.call_later, self._notice_seconds, stop)

        signal.signal(signal.SIGTERM, leave)
