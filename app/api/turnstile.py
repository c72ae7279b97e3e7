"""How many operations run at once: so many in all, so many of each organization, and a short queue for each."""

import asyncio
from collections import OrderedDict, deque
from typing import Final
from uuid import UUID

from app.api.errors import Overloaded, RateLimited

WAITING_MAX: Final = 64
"""Requests of one organization that wait for their turn."""

WAIT_SECONDS_MAX: Final = 2.0

REFUSAL_SECONDS: Final = 0.25
"""How long a refusal is held back: whoever asks again at once is slowed down by it, and costs nothing meanwhile."""


class Turnstile:
    """Lets operations in. Where all places are taken, organizations take turns, however many of theirs are waiting."""

    def __init__(self, most: int, most_each: int) -> None:
        """`most` operations at once, `most_each` of one organization."""
        self._most = most
        self._most_each = most_each
        self._inside: dict[UUID, int] = {}
        self._total = 0
        self._waiting: OrderedDict[UUID, deque[asyncio.Future[None]]] = OrderedDict()

    def enter_at_once(self, organization_id: UUID) -> bool:
        """Take a place; False where none is free, or others wait for it. Whoever entered has to leave."""
        if not self._is_free(organization_id) or organization_id in self._waiting:
            return False
        self._admit(organization_id)
        return True

    async def enter(self, organization_id: UUID) -> None:
        """Take a place, or wait for one. Raises RateLimited for too many that wait, Overloaded after two seconds."""
        if self.enter_at_once(organization_id):
            return
        queue = self._waiting.setdefault(organization_id, deque())
        if len(queue) >= WAITING_MAX:
            await asyncio.sleep(REFUSAL_SECONDS)
            raise RateLimited("The organization has too many requests under way: wait for their answers.", 1)
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                await turn
        except BaseException as error:
            self._give_up(organization_id, turn)
            if isinstance(error, TimeoutError):
                raise Overloaded("The server is busy: try again in a moment.") from error
            raise

    def leave(self, organization_id: UUID) -> None:
        """Give the place back, to whoever waits longest of the organization whose turn it is."""
        left = self._inside[organization_id] - 1
        if left:
            self._inside[organization_id] = left
        else:
            del self._inside[organization_id]
        self._total -= 1
        if self._waiting:
            self._call_next()

    def _is_free(self, organization_id: UUID) -> bool:
        return self._total < self._most and self._inside.get(organization_id, 0) < self._most_each

    def _admit(self, organization_id: UUID) -> None:
        self._inside[organization_id] = self._inside.get(organization_id, 0) + 1
        self._total += 1

    def _call_next(self) -> None:
        """Let in the first who waits of the organization that was let in longest ago and has a place."""
        for organization_id, queue in list(self._waiting.items()):
            if not self._is_free(organization_id):
                continue
            while queue and queue[0].done():
                queue.popleft()
            turn = queue.popleft() if queue else None
            if queue:
                self._waiting.move_to_end(organization_id)
            else:
                del self._waiting[organization_id]
            if turn is not None:
                self._admit(organization_id)
                turn.set_result(None)
                return

    def _give_up(self, organization_id: UUID, turn: asyncio.Future[None]) -> None:
        """Leave the queue; a turn that came in the same moment goes to the next."""
        if turn.done() and not turn.cancelled():
            self.leave(organization_id)
            return
        queue = self._waiting.get(organization_id)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._waiting[organization_id]
