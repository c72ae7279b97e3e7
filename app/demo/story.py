"""A company's history while it is told: what happens when, one thing after another, in the order of the instants."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from heapq import heappop, heappush
from random import Random
from typing import Any, Final, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from app.demo.company import Company
from app.demo.price_list import Offer
from app.domain.period import Period, period_at
from app.domain.plan import BillingTiming
from app.store.tables.organization import Mode
from app.store.tenancy import Actor, Database, TenantDatabase

Card = TypeVar("Card")

Deed = Callable[[], Awaitable[None]]
"""What is to be done in the database, with nothing left to chance."""

Scene = Callable[[datetime], Deed | None]
"""What happens at an instant: decided at once, with all that follows from it later on, and done soon after."""

NIGHTLY_RUN: Final = time(0, 5)
DEEDS_AHEAD: Final = 1
"""How many deeds of a story may wait or be under way: one, so that invoice numbers follow the instants."""


@dataclass(slots=True, eq=False)
class Client:
    """A customer as the story knows it; it has its id once it is made."""

    external_id: str | None
    id: UUID = field(init=False)


@dataclass(slots=True, eq=False)
class Contract:
    """A subscription as the story knows it. `size` is how much it uses: 1 is usual.

    What it is billed for begins with the anchor where it begins with a trial. Once it has outgrown its offer it has
    another one, from a midnight on.
    """

    client: Client
    offer: Offer
    size: float
    started_at: datetime
    anchor: datetime
    zone: ZoneInfo
    ends_at: datetime | None = None
    outgrown: tuple[datetime, Offer] | None = None
    paused_until: datetime | None = None
    id: UUID = field(init=False)
    billed_until: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.billed_until = self.anchor if self.offer.plan.trial_days else self.started_at

    @property
    def is_paid_in_advance(self) -> bool:
        """Whether a period is billed as it begins."""
        return self.offer.plan.timing is BillingTiming.IN_ADVANCE

    def is_paused_at(self, instant: datetime) -> bool:
        """Whether it rests at an instant."""
        return self.paused_until is not None and instant < self.paused_until

    def offer_at(self, instant: datetime) -> Offer:
        """What it is on at an instant."""
        return self.outgrown[1] if self.outgrown is not None and self.outgrown[0] <= instant else self.offer

    def due_at(self, period: Period) -> datetime:
        """When a period is billed."""
        return period.start if self.is_paid_in_advance else period.end

    @property
    def is_free(self) -> bool:
        """Whether its invoices come to nothing."""
        plan = self.offer.plan
        return plan.base_price == 0 and all(feature.price is None for feature in plan.features)

    def next_period(self) -> Period | None:
        """The first period that is not billed, as far as the subscription lives in it; None where all are."""
        if self.ends_at is not None and self.billed_until >= self.ends_at:
            return None
        whole = self.whole_period(self.billed_until)
        return Period(self.billed_until, whole.end if self.ends_at is None else min(whole.end, self.ends_at))

    def whole_period(self, instant: datetime) -> Period:
        """The billing period around an instant."""
        plan = self.offer.plan
        return period_at(self.anchor, plan.interval, plan.interval_count, self.zone, instant)


class Story:
    """One company from its opening until `now`.

    Scenes are decided in the order of their instants, and those alone that lie before now; so chance is the same in
    every telling. What is to be done for one customer is done in that order too, for several side by side.
    """

    def __init__(
        self,
        database: Database,
        organization_id: UUID,
        company: Company,
        now: datetime,
        *,
        scale: float,
        connections: asyncio.Semaphore,
    ) -> None:
        """`scale` multiplies how many customers there are; `connections` bounds how many deeds are under way."""
        self.company = company
        self.zone = ZoneInfo(company.time_zone)
        self.now = now
        self.opening = opening_of(company, now)
        self.random = Random(company.legal_name)  # noqa: S311 - the same story every time is the point
        self.contracts: list[Contract] = []
        self._database = database
        self._organization_id = organization_id
        self._scale = scale
        self._connections = connections
        self._scenes: list[tuple[datetime, int, Client | None, Scene]] = []
        self._order = itertools.count()

    def tenant(self, at: datetime) -> TenantDatabase:
        """The company's database as it is written at that instant."""
        return self._database.tenant(self._organization_id, Actor("SYSTEM", "tallygate dev", "demo"), at)

    def particulars(self) -> dict[str, Any]:
        """What the company says of itself; a TEST one's clock stands at now, once its history is over."""
        clock = {"test_clock": self.now} if self.company.mode is Mode.TEST else {}
        return {**self.company.particulars, **clock}

    def scaled(self, count: int, *, least: int = 1) -> int:
        """How many of something there are in this telling."""
        return max(least, round(count * self._scale)) if count else 0

    def at(self, instant: datetime, scene: Scene, *, of: Client | None) -> None:
        """Let a scene happen then, unless that is later than now; one that is of nobody waits for all before it."""
        if instant <= self.now:
            heappush(self._scenes, (instant, next(self._order), of, scene))

    async def tell(self, told: Callable[[float], None]) -> None:
        """Let everything happen; `told` hears the share of the history that is told."""
        async with asyncio.TaskGroup() as group:
            latest: dict[Client, asyncio.Task[None]] = {}
            ahead: set[asyncio.Task[None]] = set()
            while self._scenes:
                instant, _, client, scene = heappop(self._scenes)
                while ahead and (client is None or len(ahead) >= DEEDS_AHEAD):
                    _, ahead = await asyncio.wait(ahead, return_when=asyncio.FIRST_COMPLETED)
                deed = scene(instant)
                if deed is not None and client is None:
                    await self._done(deed)
                elif deed is not None and client is not None:
                    latest[client] = group.create_task(self._done(deed, after=latest.get(client)))
                    ahead.add(latest[client])
                told(self.share(instant))
        told(1.0)

    async def _done(self, deed: Deed, after: asyncio.Task[None] | None = None) -> None:
        if after is not None:
            await after
        async with self._connections:
            await deed()

    def moment(self, share: float) -> datetime:
        """The instant at which that share of the history is over."""
        seconds = (self.now - self.opening).total_seconds()
        return self.opening + timedelta(seconds=int(seconds * share))

    def share(self, instant: datetime) -> float:
        """The share of the history that is over at an instant."""
        return (instant - self.opening) / (self.now - self.opening)

    def local_day(self, instant: datetime) -> date:
        """The day on the company's calendar."""
        return instant.astimezone(self.zone).date()

    def midnight(self, day: date) -> datetime:
        """When that day begins."""
        return datetime.combine(day, time(), self.zone).astimezone(UTC)

    def office_hour(self, instant: datetime) -> datetime:
        """A moment at work, on the day of that instant or the first working day after it, not before it."""
        day = self.local_day(instant)
        while True:
            if day.weekday() < 5:
                at = self._clock(day, time(self.random.randrange(8, 18), self.random.randrange(60)))
                if at >= instant:
                    return at
            day += timedelta(days=1)

    def office_hour_after(self, instant: datetime, first: int, last: int) -> datetime:
        """A moment at work, about `first` to `last` days after an instant."""
        return self.office_hour(instant + timedelta(days=self.random.randint(first, last)))

    def billing_night(self, instant: datetime) -> datetime:
        """When the nightly billing run reaches what came to an end at that instant."""
        at = self._clock(self.local_day(instant), NIGHTLY_RUN)
        if at <= instant:
            at = self._clock(self.local_day(instant) + timedelta(days=1), NIGHTLY_RUN)
        return at + timedelta(seconds=self.random.randrange(540))

    def dealt(self, cards: Sequence[Card]) -> Iterator[Card]:
        """The cards, shuffled, again and again: chance that comes out even."""
        while True:
            yield from self.random.sample(cards, k=len(cards))

    def _clock(self, day: date, hour: time) -> datetime:
        return datetime.combine(day, hour, self.zone).astimezone(UTC)


def in_turn(*deeds: Deed | None) -> Deed:
    """One deed after the other."""

    async def do() -> None:
        for deed in deeds:
            if deed is not None:
                await deed()

    return do


def opening_of(company: Company, now: datetime) -> datetime:
    """When a company opened: at the beginning of a day on its calendar."""
    zone = ZoneInfo(company.time_zone)
    day = (now - company.history).astimezone(zone).date()
    return datetime.combine(day, time(), zone).astimezone(UTC)
