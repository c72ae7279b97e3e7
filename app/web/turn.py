"""Who may come in, and whose turn it is: bounded for each organization, so that one that floods leaves room."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from uuid import UUID

from app.web.door import TooMany


class InHand:
    """How many requests are being served: bounded in all, and for each organization, so that none fills the house."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._of: Counter[UUID] = Counter()

    @contextmanager
    def one_more(self, organization_id: UUID) -> Generator[None]:
        """Count a request while it lasts. Raises TooMany at once, rather than let it wait."""
        if self._of.total() >= self._most or self._of[organization_id] >= self._most_of_one:
            raise TooMany("Too many requests to record usage are in hand: try again in a moment.")
        self._of[organization_id] += 1
        try:
            yield
        finally:
            self._of[organization_id] -= 1
            if not self._of[organization_id]:
                del self._of[organization_id]


class Turns:
    """Whose chunks are stored: a few of each organization at a time, so that one that floods leaves room for others."""

    def __init__(self, most_of_one: int, seconds: float) -> None:
        self._most_of_one = most_of_one
        self._seconds = seconds
        self._of: dict[UUID, Turn] = {}

    @contextmanager
    def of(self, organization_id: UUID) -> Generator["Turn"]:
        """The organization's place to wait in, kept while anybody may wait there."""
        turn = self._of.setdefault(organization_id, Turn(self._most_of_one, self._seconds))
        turn.users += 1
        try:
            yield turn
        finally:
            turn.users -= 1
            if not turn.users:
                del self._of[organization_id]


class Turn:
    """Lets some at a time by, in the order in which they came."""

    def __init__(self, most: int, seconds: float) -> None:
        self.users = 0
        self._free = asyncio.Semaphore(most)
        self._seconds = seconds

    @asynccontextmanager
    async def taken(self) -> AsyncGenerator[None]:
        """Wait for a turn. Raises TooMany where none comes in time."""
        try:
            await asyncio.wait_for(self._free.acquire(), self._seconds)
        except TimeoutError as error:
            raise TooMany("The organization's other requests take too long: try again in a moment.") from error
        try:
            yield
        finally:
            self._free.release()
