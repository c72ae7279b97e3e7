"""When usage happens: by the hour and the weekday, in the holidays, and ever more as a company grows. Pure."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

BY_HOUR: Final = (2, 1, 1, 1, 1, 2, 6, 18, 46, 74, 86, 82, 58, 70, 84, 80, 68, 46, 24, 14, 10, 8, 5, 3)
"""How much happens in each local hour of a day, relative to the others: offices at work, a dip at lunch."""

_UP_TO_HOUR: Final = tuple(accumulate(BY_HOUR))

BY_WEEKDAY: Final = (1.14, 1.26, 1.24, 1.18, 1.02, 0.62, 0.54)
"""The same for Monday to Sunday; 1 is the mean."""

WEEKEND_SHARE_OF_PEOPLE: Final = 0.3
"""People rest on weekends more than programs do."""


def level(day: date) -> float:
    """How busy a day is: 1 is the mean of a week, less around the turn of the year and in August."""
    return BY_WEEKDAY[day.weekday()] * _season(day)


def level_of_people(day: date) -> float:
    """The same for what people do by themselves."""
    return level(day) * (WEEKEND_SHARE_OF_PEOPLE if day.weekday() >= 5 else 1)


def growth(age: timedelta) -> float:
    """How much a customer uses after that time, of what it will use after a year."""
    return 0.55 + 0.45 * min(1.0, age / timedelta(days=365))


def whole(expected: float, random: Random) -> int:
    """A whole number near the expected one, which is its mean."""
    return int(expected + random.random())


def instants(day: date, count: int, zone: ZoneInfo, random: Random) -> list[datetime]:
    """That many instants of a local day, by the hours of its rhythm, in UTC and in order."""
    hours = random.choices(range(24), cum_weights=_UP_TO_HOUR, k=count)
    return sorted(
        datetime.combine(day, time(hour, random.randrange(60), random.randrange(60)), zone).astimezone(UTC)
        for hour in hours
    )


def _season(day: date) -> float:
    if (day.month, day.day) >= (12, 22) or (day.month, day.day) <= (1, 2):
        return 0.45
    return 0.85 if day.month == 8 else 1.0
