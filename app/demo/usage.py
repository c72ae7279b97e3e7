"""What customers use, recorded every night for the day that ended, as a collector would send it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Any, Final

from app.demo import rhythm
from app.demo.price_list import Measure
from app.demo.story import Contract, Deed, Story
from app.domain.usage import OLDEST, Aggregation, UsageVerdict
from app.operations.usage.record import EVENTS_MAX, NewEvent, record_usage

DAYS_A_MONTH: Final = 30

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


class Usage:
    """The company's collector of usage."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._numbers = count(1)

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
        for measure, uses in contract.offer_at(day.starts_at).uses:
            yield from self._events(contract, measure, uses, day)

    def _events(self, contract: Contract, measure: Measure, uses: float, day: Day) -> Iterator[NewEvent]:
        story, client = self._story, contract.client
        number = self._number_of_events(contract, measure, uses, day)
        if number == 0:
            return
        grown = _grown(contract, uses, day)
        for occurred_at in rhythm.instants(day.date, number, story.zone, story.random):
            if contract.started_at <= occurred_at < day.ends_at:
                yield NewEvent(
                    event_id=f"{day.date:%Y%m%d}-{next(self._numbers):06}",
                    source=_SOURCE,
                    meter=measure.meter.key,
                    customer_id=client.id if client.external_id is None else None,
                    external_customer_id=client.external_id,
                    subscription_id=None,
                    quantity=self._quantity(measure, grown, day),
                    occurred_at=occurred_at,
                    properties=self._properties(measure, grown),
                )

    def _number_of_events(self, contract: Contract, measure: Measure, uses: float, day: Day) -> int:
        random, portions = self._story.random, measure.portions(day.is_recent)
        match measure.meter.aggregation:
            case Aggregation.SUM:
                return rhythm.whole(portions * day.level, random)
            case Aggregation.COUNT:
                return rhythm.whole(_grown(contract, uses, day) / DAYS_A_MONTH * day.people, random)
            case Aggregation.UNIQUE:
                return rhythm.whole(portions * day.people, random)
            case _:
                return rhythm.whole(portions, random)

    def _quantity(self, measure: Measure, grown: float, day: Day) -> Decimal:
        random = self._story.random
        match measure.meter.aggregation:
            case Aggregation.SUM:
                portion = grown / DAYS_A_MONTH / measure.portions(day.is_recent)
                return Decimal(max(1, round(portion * random.uniform(0.6, 1.4))))
            case Aggregation.MAX:
                return Decimal(round(grown * random.uniform(0.97, 1.03) * 10)) / 10
            case Aggregation.LATEST:
                return Decimal(max(1, round(grown)))
            case _:
                return Decimal(1)

    def _properties(self, measure: Measure, grown: float) -> dict[str, Any]:
        random = self._story.random
        traits = {name: random.choice(values) for name, values in measure.traits.items()}
        if measure.meter.property is not None:
            traits[measure.meter.property] = f"u-{random.randrange(max(1, round(grown))):04}"
        return traits


def _grown(contract: Contract, uses: float, day: Day) -> float:
    """What a month comes to by now, for a contract of that size and age."""
    return uses * contract.size * rhythm.growth(day.starts_at - contract.started_at)
