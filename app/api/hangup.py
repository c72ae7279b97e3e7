"""A client that hangs up: what it asked for is cancelled, and the statement that runs for it too."""

import asyncio
from types import TracebackType
from typing import Final

from starlette.requests import Request

_GRACE_SECONDS: Final = 0.05
"""Most answers are there before it is worth while to look whether anybody waits for them."""


class HungUp(Exception):
    """Nobody waits for the answer."""


class Attended:
    """Cancels what happens inside once the request's client is gone. Raises HungUp then."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._task: asyncio.Task[None] | None = None
        self._gone = False

    async def __aenter__(self) -> None:
        """Begin to look, a little later."""
        loop = asyncio.get_running_loop()
        self._inside = asyncio.current_task()
        self._timer = loop.call_later(_GRACE_SECONDS, self._begin)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Look no longer."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        if self._gone and self._inside is not None and self._inside.uncancel() == 0:
            if kind is not None and issubclass(kind, asyncio.CancelledError):
                raise HungUp from error

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        if self._inside is not None:
            self._gone = True
            self._inside.cancel()
