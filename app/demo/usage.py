"""What customers use, recorded every night for the day that ended, as a collector would send it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Any, Final

from app.demo import rhythm
from app.demo.price_list import MEASURES, Measure
from app.demo.story import Contract, Deed, Story
from app.domain.usage import OLDEST, Aggregation, UsageVerdict
from app.operations.usage.record import EVENTS_MAX, NewEvent, record_usage

_SOURCE: Final = "collector"
_COLLECTED: Final = timedelta(minutes=1)
"""How long after midnight the day's events are in: before the nightly billing run."""


@dataclass(frozen=True, slots=True)
class Day:
    """A day of usage: `ends_at` is the next midnight, or now. `level` is how busy programs are, `people` how people."""

    date: date
    starts_at: datetime
    ends_at: datetime
    is_recent: bool
    level: float
    people: float


@dataclass(frozen=True, slots=True)
class Stream:
    """What a contract sends of a meter on a day: how many events, of what quantity, by how many users."""

    events: int
    quantity: float = 1
    users: int = 0


class Usage:
    """The company's collector of usage."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._number = count(1)

    def expect(self, day: date) -> None:
        """Record a day's usage in the night after it; today's, so far, now."""
        story = self._story
        if day <= story.local_day(story.now):
            next_midnight = story.midnight(day + timedelta(days=1))
            at = min(next_midnight + _COLLECTED, story.now)
            story.at(at, partial(self._collect, day, next_midnight), of=None)

    def _collect(self, date_: date, next_midnight: datetime, at: datetime) -> Deed:
        story = self._story
        starts_at = story.midnight(date_)
        day = Day(
            date_,
            starts_at,
            ends_at=min(at, next_midnight),
            is_recent=starts_at > story.now - OLDEST,
            level=rhythm.level(date_),
            people=rhythm.level_of_people(date_),
        )
        events = [event for contract in story.contracts for event in self._events_of(contract, day)]
        self.expect(date_ + timedelta(days=1))
        return partial(self._record, events, at)

    async def _record(self, events: Sequence[NewEvent], at: datetime) -> None:
        for first in range(0, len(events), EVENTS_MAX):
            for result in await record_usage(self._story.tenant(at), events[first : first + EVENTS_MAX]):
                if result.verdict is not UsageVerdict.ACCEPTED:
                    raise AssertionError(f"The demo's usage was not accepted: {result}.")

    def _events_of(self, contract: Contract, day: Day) -> Iterator[NewEvent]:
        """What a contract uses on a day. Who leaves in the middle of one uses nothing more on it: all is billed."""
        ended = contract.ends_at is not None and contract.ends_at < day.ends_at
        if ended or contract.started_at >= day.ends_at:
            return
        for measure in MEASURES:
            uses = contract.offer.uses.get(measure.meter.key)
            if uses is not None:
                yield from self._events(contract, measure, self._stream(contract, measure, uses, day), day)

    def _stream(self, contract: Contract, measure: Measure, uses: float, day: Day) -> Stream:
        random = self._story.random
        grown = uses * contract.size * rhythm.growth(day.starts_at - contract.started_at)
        portions = measure.lately if day.is_recent else measure.before
        match measure.meter.aggregation:
            case _ if portions is None:
                return Stream(rhythm.whole(grown / 30 * day.people, random))
            case Aggregation.SUM:
                return Stream(rhythm.whole(portions * day.level, random), quantity=grown / 30 / portions)
            case Aggregation.UNIQUE:
                return Stream(rhythm.whole(portions * day.people, random), users=max(1, round(grown)))
            case _:
                return Stream(rhythm.whole(portions, random), quantity=grown)

    def _events(self, contract: Contract, measure: Measure, stream: Stream, day: Day) -> Iterator[NewEvent]:
        if stream.events == 0:
            return
        story, client = self._story, contract.client
        for occurred_at in rhythm.instants(day.date, stream.events, story.zone, story.random):
            if contract.started_at <= occurred_at < day.ends_at:
                yield NewEvent(
                    event_id=f"{day.date:%Y%m%d}-{next(self._number):06}",
                    source=_SOURCE,
                    meter=measure.meter.key,
                    customer_id=client.id if client.external_id is None else None,
                    external_customer_id=client.external_id,
                    subscription_id=None,
                    quantity=self._varied(measure, stream.quantity),
                    occurred_at=occurred_at,
                    properties=self._properties(measure, stream.users),
                )

    def _varied(self, measure: Measure, quantity: float) -> Decimal:
        random = self._story.random
        match measure.meter.aggregation:
            case Aggregation.SUM:
                return Decimal(max(1, round(quantity * random.uniform(0.6, 1.4))))
            case Aggregation.MAX:
                return Decimal(round(quantity * random.uniform(0.97, 1.03) * 10)) / 10
            case Aggregation.LATEST:
                return Decimal(max(1, round(quantity)))
            case _:
                return Decimal(1)

    def _properties(self, measure: Measure, users: int) -> dict[str, Any]:
        random = self._story.random
        traits = {name: random.choice(values) for name, values in measure.traits.items()}
        if measure.meter.property is not None:
            traits[measure.meter.property] = f"u-{random.randrange(users):04}"
        return traits
