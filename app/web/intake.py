"""A body of events on its way in: cut, read and stored chunk by chunk, in the memory of two chunks."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Final

from starlette.requests import ClientDisconnect, Request

from app.domain.usage import UsageVerdict
from app.operations.usage.record import EVENTS_MAX, NewEvent, Result, record_usage
from app.store.connection import TRY_AGAIN
from app.store.tenancy import TenantDatabase
from app.web.door import BadRequest, Door, SpentAll, TooSlow
from app.web.event import BadEvent, Read
from app.web.piece import PIECE_BYTES_MAX, Cutter
from app.web.tally import Tally
from app.web.turn import Turn

CHUNK_BYTES_MAX: Final = 1024 * 1024
ATTEMPTS_MAX: Final = 3

_TOO_LONG: Final = Result(UsageVerdict.REJECTED, f"An event has at most {PIECE_BYTES_MAX:,} bytes.")


class Parts:
    """A body's bytes as they come in, by the clock of who waits for them."""

    def __init__(self, request: Request) -> None:
        self._parts = request.stream()
        self._coming: asyncio.Future[bytes] | None = None
        self._waited = 0.0
        self.ended = False

    async def next(self, seconds: float) -> bytes | None:
        """The next bytes; None each time that so many seconds were waited for bytes.

        Raises BadRequest where the client hung up.
        """
        if self._coming is None:
            self._coming = asyncio.ensure_future(anext(self._parts))
        clock = asyncio.get_running_loop().time
        began = clock()
        done, _ = await asyncio.wait([self._coming], timeout=max(0.0, seconds - self._waited))
        self._waited += clock() - began
        if self._waited >= seconds or not done:
            self._waited = 0.0
            return None
        coming, self._coming = self._coming, None
        try:
            return coming.result()
        except StopAsyncIteration:
            self.ended = True
            return b""
        except ClientDisconnect as error:
            raise BadRequest("The request ended early.") from error

    async def leave(self) -> None:
        """Wait for no more."""
        if self._coming is not None:
            self._coming.cancel()
            await asyncio.wait([self._coming])


class Chunk:
    """Events that are stored together."""

    def __init__(self) -> None:
        self.indexes: list[int] = []
        self.events: list[NewEvent] = []
        self._bytes = 0

    def add(self, index: int, event: NewEvent, bytes_: int) -> None:
        """Take one more, with its place in the body."""
        self.indexes.append(index)
        self.events.append(event)
        self._bytes += bytes_

    @property
    def is_full(self) -> bool:
        """Whether it is to be stored before more is read."""
        return len(self.events) >= EVENTS_MAX or self._bytes >= CHUNK_BYTES_MAX


@dataclass
class Intake:
    """Cuts a body into chunks and stores each while the next one comes in: there are never more than two."""

    db: TenantDatabase
    door: Door
    turn: Turn
    cutter: Cutter
    read: Read
    tally: Tally
    seconds: float
    """How long a chunk waits for points."""
    _chunk: Chunk = field(default_factory=Chunk)
    _storing: asyncio.Task[None] | None = None
    _left: asyncio.Event = field(default_factory=asyncio.Event)
    _has_paid: bool = False
    _index: int = 0
    _index_before: int = 0

    async def take(self, part: bytes) -> None:
        """Take more of the body. Raises BadRequest, and what kept the chunk before from being stored."""
        for piece in self.cutter.cut(part):
            self._add(piece)
            if self._chunk.is_full:
                await self._store()

    async def pause(self) -> None:
        """Store what a slow client has sent. Raises TooSlow where that is no event since the last time."""
        if self._index == self._index_before:
            raise TooSlow("No whole event came in time.")
        self._index_before = self._index
        await self._store()

    async def end(self) -> None:
        """Take the body's end, and wait until all of it is stored."""
        for piece in self.cutter.end():
            self._add(piece)
        await self._store()
        await self._stored()

    async def leave(self) -> None:
        """Wait for what is being stored, so that it is counted; nothing is begun any more."""
        self._left.set()
        with contextlib.suppress(Exception):
            await self._stored()

    def _add(self, piece: bytes | None) -> None:
        index, self._index = self._index, self._index + 1
        if piece is None:
            self.tally.add(index, None, _TOO_LONG)
            return
        try:
            event = self.read(piece, self.door)
        except BadEvent as error:
            self.tally.add(index, error.event_id, Result(UsageVerdict.REJECTED, error.message))
            return
        self._chunk.add(index, event, len(piece))

    async def _store(self) -> None:
        """Have the chunk stored, once the one before it is."""
        await self._stored()
        if self._chunk.events:
            chunk, self._chunk = self._chunk, Chunk()
            self._storing = asyncio.create_task(self._record(chunk))

    async def _stored(self) -> None:
        storing, self._storing = self._storing, None
        if storing is not None:
            await storing

    async def _record(self, chunk: Chunk) -> None:
        await self._pay(len(chunk.events))
        async with self.turn.taken():
            results = await self._recorded(chunk.events)
        for index, event, result in zip(chunk.indexes, chunk.events, results, strict=True):
            self.tally.add(index, event.event_id, result)

    async def _pay(self, events: int) -> None:
        """Pay for a chunk. Raises SpentAll where the points would come too late.

        The first chunk waits for none: nothing is stored yet, and who sent it may come again. Later ones wait a while,
        so that a long body is paced by what its organization may spend, and not cut off.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + (self.seconds if self._has_paid else 0)
        while (wait := await self.door.pay_for_usage(self.db.organization_id, events)) is not None:
            if self._left.is_set() or clock() + wait > deadline:
                raise SpentAll(wait)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._left.wait(), wait)
        self._has_paid = True

    async def _recorded(self, events: list[NewEvent]) -> list[Result]:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                return await record_usage(self.db, events)
            except TRY_AGAIN:
                if attempt == ATTEMPTS_MAX:
                    raise
        raise AssertionError("unreachable")
