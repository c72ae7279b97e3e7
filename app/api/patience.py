"""How long a request is waited for: for its body, then for its answer, and no longer than its client stays.

Most requests are over before there is anything to look after: those cost one timer.
"""

import asyncio
from enum import Enum, auto
from types import TracebackType
from typing import Final, Self

from starlette.types import Receive

from app.api.errors import Overloaded
from app.api.limits import TooSlow

_GRACE_SECONDS: Final = 0.05
"""From when on a request is looked after; what it may take counts from then."""


class HungUp(Exception):
    """Nobody waits for the answer."""


class _Stage(Enum):
    READING = auto()
    RESTING = auto()
    ANSWERING = auto()


class Patience:
    """Cancels what happens inside where it takes too long, or once nobody waits for it.

    It begins with the body; say when that is `read`, and when it is being `answered`: what lies between has bounds of
    its own. Raises TooSlow, Overloaded, HungUp.
    """

    __slots__ = (
        "_answer_seconds",
        "_body_seconds",
        "_end",
        "_inside",
        "_is_late",
        "_receive",
        "_stage",
        "_task",
        "_timer",
    )

    def __init__(self, receive: Receive, *, body_seconds: float, answer_seconds: float) -> None:
        self._receive = receive
        self._body_seconds = body_seconds
        self._answer_seconds = answer_seconds
        self._stage = _Stage.READING
        self._is_late = False
        self._task: asyncio.Task[None] | None = None
        self._end: Exception | None = None

    def __enter__(self) -> Self:
        """Begin to wait."""
        self._inside = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(_GRACE_SECONDS, self._look_after)
        return self

    def read(self) -> None:
        """The body is there."""
        self._stage = _Stage.RESTING
        if self._is_late:
            self._timer.cancel()

    def answered(self) -> None:
        """From now on it is being answered."""
        self._stage = _Stage.ANSWERING
        if self._is_late:
            self._look_after()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Wait no longer."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        if self._end is not None and self._inside is not None and self._inside.uncancel() == 0:
            if kind is not None and issubclass(kind, asyncio.CancelledError):
                raise self._end from error

    def _look_after(self) -> None:
        """The request takes its time: have an eye on it, by the stage that it is in."""
        self._is_late = True
        loop = asyncio.get_running_loop()
        match self._stage:
            case _Stage.READING:
                self._timer = loop.call_later(
                    self._body_seconds, self._stop, TooSlow("The request did not come in time.")
                )
            case _Stage.ANSWERING:
                too_long = Overloaded("The operation took too long: ask for less at a time.")
                self._timer = loop.call_later(self._answer_seconds, self._stop, too_long)
                self._task = loop.create_task(self._see_it_hang_up())
            case _Stage.RESTING:
                pass

    async def _see_it_hang_up(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._stop(HungUp())

    def _stop(self, end: Exception) -> None:
        if self._end is None and self._inside is not None:
            self._end = end
            self._inside.cancel()
