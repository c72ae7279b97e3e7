"""Proration: the exact fraction of seconds, rounded once; no factor is stored (E11, M5, M6)."""

from datetime import timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from app.domain.errors import Invalid
from app.domain.money import minor_from_exact
from app.domain.period import Period

_DAY = timedelta(days=1)


def prorate(amount: int, used: Period, whole: Period) -> int:
    """What `used` costs of `whole`'s amount, in minor units, rounded once half away from zero.

    Raises Invalid as `prorate_exact`.
    """
    return minor_from_exact(prorate_exact(amount, used, whole))


def prorate_exact(amount: int, used: Period, whole: Period) -> Fraction:
    """The same before its rounding: `amount` x used seconds / whole seconds.

    Raises Invalid where `used` does not lie within `whole`, or `whole` is empty.
    """
    if whole.seconds == 0 or not whole.covers(used):
        raise Invalid("A part is prorated of a period that it lies in.")
    return amount * used.seconds / whole.seconds


def days_of(used: Period, whole: Period, zone: ZoneInfo) -> tuple[int, int] | None:
    """(7, 31) for "7 of 31 days": days by the zone's wall clock, so that one of 23 hours is one.

    None where either is not a whole number of days.
    """
    used_days, whole_days = _days(used, zone), _days(whole, zone)
    return None if used_days is None or whole_days is None else (used_days, whole_days)


def _days(period: Period, zone: ZoneInfo) -> int | None:
    start, end = (instant.astimezone(zone).replace(tzinfo=None) for instant in (period.start, period.end))
    days, rest = divmod(end - start, _DAY)
    return None if rest else days
