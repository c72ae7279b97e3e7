"""Each organization's points in time: a token bucket that all processes share, leased from in blocks.

A process asks the database for a block of points once it has none left, so that most requests ask nothing. All
processes together spend at most what the bucket gives, and one block each besides.
"""

import asyncio
import math
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import UUID

from app.api.errors import RateLimited
from app.store.allowance import Bucket, lease_points
from app.store.tenancy import Database

BLOCKS: Final = 20
"""A block is this part of the bucket."""

LEASE_SECONDS: Final = 10.0
"""What was leased longer ago is not spent any more: the bucket has refilled meanwhile."""

KNOWN_MAX: Final = 10_000


@dataclass(slots=True)
class _Account:
    """What a process knows of one organization's bucket."""

    points: int = 0
    until: float = 0.0
    left: float = 0.0
    seen: float = 0.0
    empty_until: float = 0.0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def holds(self, points: int) -> bool:
        """Whether so many may be spent of what was leased."""
        return self.points >= points and self.until >= time.monotonic()


class Balance(NamedTuple):
    """What is left after spending, and how long the bucket takes to be full again."""

    available: int
    full_in_seconds: int


class Allowance:
    """Spends points. Without a refill there is no limit, and nothing is asked of the database."""

    def __init__(self, database: Database, bucket: Bucket) -> None:
        self.bucket = bucket
        self._database = database
        self._block = max(1, bucket.size // BLOCKS)
        self._accounts: OrderedDict[UUID, _Account] = OrderedDict()

    async def spend(self, organization_id: UUID, points: int) -> Balance | None:
        """Spend points; None where there is no limit. Raises RateLimited, saying after how many seconds they are there.

        An operation that costs more than the bucket holds is refused before, by the budget of a document.
        """
        if not self.bucket.refill:
            return None
        balance = self.spend_leased(organization_id, points)
        if balance is not None:
            return balance
        account = self._account(organization_id)
        async with account.turn:
            if not account.holds(points):
                await self._lease(organization_id, account, points)
        account.points -= points
        return self._balance(account)

    def spend_leased(self, organization_id: UUID, points: int) -> Balance | None:
        """Spend as `spend` does, out of what is leased; None where that is not enough."""
        account = self._account(organization_id)
        if not account.holds(points):
            return None
        account.points -= points
        return self._balance(account)

    def balance(self, organization_id: UUID) -> Balance:
        """What an organization has left, as far as this process knows."""
        return self._balance(self._account(organization_id))

    async def _lease(self, organization_id: UUID, account: _Account, points: int) -> None:
        now = time.monotonic()
        if account.empty_until > now:
            raise self._refusal(account.empty_until - now)
        returned = account.points if account.until >= now else 0
        account.points = 0
        lease = await lease_points(
            self._database,
            organization_id,
            self.bucket,
            needed=points,
            block=max(points, self._block),
            returned=returned,
        )
        now = time.monotonic()
        account.points, account.until = lease.granted, now + LEASE_SECONDS
        account.left, account.seen = float(lease.left), now
        if not lease.granted:
            wait = (points - account.left) / self.bucket.refill
            account.empty_until = now + min(wait, 1.0)
            raise self._refusal(wait)

    def _balance(self, account: _Account) -> Balance:
        refilled = account.left + (time.monotonic() - account.seen) * self.bucket.refill
        available = min(self.bucket.size, int(refilled) + account.points)
        return Balance(available, math.ceil((self.bucket.size - available) / self.bucket.refill))

    def _refusal(self, seconds: float) -> RateLimited:
        return RateLimited(
            "The organization has spent its points: wait as many seconds as Retry-After says, or ask for less.",
            seconds,
        )

    def _account(self, organization_id: UUID) -> _Account:
        account = self._accounts.get(organization_id)
        if account is None:
            account = self._accounts[organization_id] = _Account()
            if len(self._accounts) > KNOWN_MAX:
                self._accounts.popitem(last=False)
        else:
            self._accounts.move_to_end(organization_id)
        return account
