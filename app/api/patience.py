"""How long a request is waited for: for its body, then for its answer, and no longer than its client stays.

Most requests are over before there is anything to look after, and have no timer of their own: those that are still
there after a while get one.
"""

import asyncio
from enum import Enum, auto
from types import TracebackType
from typing import Final, Self

from starlette.types import Receive

from app.api.errors import Overloaded
from app.api.limits import TooSlow

_ROUND_SECONDS: Final = 0.05
"""A request that is met in a second round is looked after; what it may take counts from then."""


class HungUp(Exception):
    """Nobody waits for the answer."""


class LookOut:
    """Goes its rounds over the requests that are under way, as long as there are any."""

    def __init__(self, *, body_seconds: float, answer_seconds: float) -> None:
        self.body_seconds = body_seconds
        self.answer_seconds = answer_seconds
        self.loop: asyncio.AbstractEventLoop | None = None
        self._met: dict[Patience, None] = {}
        self._new: dict[Patience, None] = {}
        self._is_walking = False

    def add(self, patience: "Patience") -> None:
        """A request began."""
        self._new[patience] = None
        if not self._is_walking:
            self._is_walking = True
            # To ask for it each time would be a system call for each request.
            self.loop = asyncio.get_running_loop()
            self.loop.call_later(_ROUND_SECONDS, self._walk)

    def remove(self, patience: "Patience") -> None:
        """It is over."""
        if self._new.pop(patience, self) is self:
            self._met.pop(patience, None)

    def _walk(self) -> None:
        late, self._met, self._new = self._met, self._new, {}
        for patience in late:
            patience.look_after()
        self._is_walking = bool(self._met)
        if self._is_walking:
            asyncio.get_running_loop().call_later(_ROUND_SECONDS, self._walk)


class _Stage(Enum):
    READING = auto()
    RESTING = auto()
    ANSWERING = auto()


class Patience:
    """Cancels what happens inside where it takes too long, or once nobody waits for it.

    It begins with the body; say when that is `read`, and when it is being `answered`: what lies between has bounds of
    its own. Raises TooSlow, Overloaded, HungUp.
    """

    _stage = _Stage.READING
    _is_late = False
    _timer: asyncio.TimerHandle | None = None
    _task: asyncio.Task[None] | None = None
    _end: Exception | None = None

    def __init__(self, receive: Receive, look_out: LookOut) -> None:
        self._receive = receive
        self._look_out = look_out

    def __enter__(self) -> Self:
        """Begin to wait."""
        self._look_out.add(self)
        self._inside = asyncio.current_task(self._look_out.loop)
        return self

    def read(self) -> None:
        """The body is there."""
        self._stage = _Stage.RESTING
        if self._timer is not None:
            self._timer.cancel()

    def answered(self) -> None:
        """From now on it is being answered."""
        self._stage = _Stage.ANSWERING
        if self._is_late:
            self.look_after()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Wait no longer."""
        if not self._is_late:
            self._look_out.remove(self)
            return
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            self._task = None  # its error holds this object: together they would be garbage for the collector
        if self._end is not None and self._inside is not None and self._inside.uncancel() == 0:
            if kind is not None and issubclass(kind, asyncio.CancelledError):
                raise self._end from error

    def look_after(self) -> None:
        """The request takes its time: have an eye on it, by the stage that it is in."""
        self._is_late = True
        match self._stage:
            case _Stage.READING:
                self._stop_in(self._look_out.body_seconds, TooSlow("The request did not come in time."))
            case _Stage.ANSWERING:
                too_long = Overloaded("The operation took too long: ask for less at a time.")
                self._stop_in(self._look_out.answer_seconds, too_long)
                self._task = asyncio.get_running_loop().create_task(self._see_it_hang_up())
            case _Stage.RESTING:
                pass

    def _stop_in(self, seconds: float, end: Exception) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._stop, end)

    async def _see_it_hang_up(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._stop(HungUp())

    def _stop(self, end: Exception) -> None:
        if self._end is None and self._inside is not None:
            self._end = end
            self._inside.cancel()
