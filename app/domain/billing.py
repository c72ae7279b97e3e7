"""From a subscription and its usage to the lines of a period's invoice."""

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from app.domain.charge import ChargeLine, base_fee_line, prorated_base_fee_line, usage_line
from app.domain.errors import Invalid
from app.domain.money import MINOR_MAX, figure, plain
from app.domain.period import Period
from app.domain.plan import Plan
from app.domain.proration import days_of
from app.domain.subscription import Subscription


def period_lines(
    plan: Plan, seats: int, lived: Period, whole: Period, used: Mapping[UUID, Decimal]
) -> tuple[ChargeLine, ...]:
    """The base fee, then a line for each METERED or SOFT QUOTA feature even where it is 0 (E10).

    The base fee is prorated where only a part of the period was lived; usage never is (E11). `used` gives the quantity
    by meter. Raises Invalid where an amount passes the bounds.
    """
    if lived == whole:
        base = base_fee_line(plan.name, plan.base_price, seats)
    else:
        base = prorated_base_fee_line(plan.name, plan.base_price, seats, lived, whole)
    lines = [base]
    for feature in plan.features:
        if feature.is_billed and feature.meter_id is not None and feature.price is not None:
            included = feature.included or Decimal(0)
            quantity = used.get(feature.meter_id, Decimal(0))
            lines.append(usage_line(feature.key, feature.name, quantity, included, feature.price))
    if sum(abs(line.amount) for line in lines) > MINOR_MAX:
        raise Invalid("The invoice's total would be too large: an amount is at most 2^53-1 minor units.")
    return tuple(lines)


def proration_note(subscription: Subscription, lived: Period, whole: Period) -> str | None:
    """Why the base fee is only a part: "Prorated: cancelled on 2026-05-20 (7 of 31 days)"; None where it is whole."""
    if lived == whole:
        return None
    part = _part(lived, whole, subscription.zone)
    if lived.end < whole.end:
        return f"Prorated: cancelled on {lived.end.astimezone(subscription.zone).date()} ({part})"
    return f"Prorated: started on {lived.start.astimezone(subscription.zone).date()} ({part})"


def _part(lived: Period, whole: Period, zone: ZoneInfo) -> str:
    days = days_of(lived, whole, zone)
    if days is None:
        return f"{figure(plain(lived.seconds))} of {figure(plain(whole.seconds))} seconds"
    return f"{days[0]} of {days[1]} days"
