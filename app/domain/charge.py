"""From a plan to lines: the base fee, usage beyond what is included, lines by hand.

Each line bears the steps of its own calculation.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from uuid import UUID

from app.domain.coverage import Count
from app.domain.errors import Invalid
from app.domain.money import (
    DECIMALS_MAX,
    decimals_of,
    exact_decimals,
    figure,
    is_plain,
    minor_from_exact,
    plain,
)
from app.domain.period import Period
from app.domain.price import QUANTITY_MAX, PricingStep, UsagePrice, price_quantity
from app.domain.proration import prorate_exact

ROUNDING = "half away from zero, once"
ROUNDING_OF_LONGER = f"{ROUNDING}; the exact amount has more decimals than the {DECIMALS_MAX} shown"

_DAY_SECONDS = 86_400


class LineItemKind(StrEnum):
    """What a line of an invoice is for."""

    BASE_FEE = "BASE_FEE"
    USAGE = "USAGE"
    PRORATION = "PRORATION"
    ADJUSTMENT = "ADJUSTMENT"
    DISCOUNT = "DISCOUNT"
    MANUAL = "MANUAL"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a line has its amount: `steps` sum to `exact` minor units, `rounding` makes the amount.

    `used`, `included` and `billable` are quantities, None where nothing was measured. An ADJUSTMENT has `used` and
    `billable` as they are now, and `used_before` and `billable_before` as they were booked.
    """

    used: Decimal | None
    included: Decimal | None
    billable: Decimal | None
    steps: tuple[PricingStep, ...]
    exact: Decimal
    rounding: str
    used_before: Decimal | None = None
    billable_before: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ChargeLine:
    """A line before it is stored; `unit_price` and `amount` in minor units.

    Only USAGE and its ADJUSTMENT have a `feature_key`; `unit_price` is None where no single price gives the amount. A
    line that a plan gives bears the version that priced it, the span that it is for, and which counts it prices.
    """

    kind: LineItemKind
    description: str
    feature_key: str | None
    quantity: Decimal
    unit_price: Decimal | None
    amount: int
    explanation: Explanation
    plan_id: UUID | None = None
    period: Period | None = None
    counts: tuple[Count, ...] = ()


def base_fee_line(plan_name: str, base_price: int, seats: int) -> ChargeLine:
    """A whole period's base fee: `base_price` minor units for each seat.

    Raises Invalid beyond `MINOR_MAX`.
    """
    text = _seats(seats, base_price)
    return _fee_line(LineItemKind.BASE_FEE, f"{plan_name}: base fee", text, seats, Fraction(base_price))


def prorated_base_fee_line(plan_name: str, base_price: int, seats: int, used: Period, whole: Period) -> ChargeLine:
    """The base fee for the `used` part of a `whole` period, rounded once (E11, M5).

    Its unit price is a seat's for that part, to 12 decimals. Raises Invalid as `prorate_exact`
    does and beyond `MINOR_MAX`.
    """
    part = _part(used, whole)
    text = f"{_seats(seats, base_price)} for {part}"
    description = f"{plan_name}: base fee ({part})"
    return _fee_line(LineItemKind.BASE_FEE, description, text, seats, prorate_exact(base_price, used, whole))


def proration_line(
    plan_name: str, base_price: int, seats: int, used: Period, whole: Period, *, times: int = 1
) -> ChargeLine:
    """The fee of a part of a period that a change charges, or credits where `times` is below 0; rounded once.

    A credit mirrors its charge to the minor unit (M7). Raises Invalid as `prorated_base_fee_line` does.
    """
    part = _part(used, whole)
    words = f"{_seats(seats, base_price)} for {part}"
    kind, what = ("Credit of ", "unused fee") if times < 0 else ("", "base fee")
    unit_price = times * prorate_exact(base_price, used, whole)
    return _fee_line(LineItemKind.PRORATION, f"{plan_name}: {what} ({part})", f"{kind}{words}", seats, unit_price)


def usage_line(feature_key: str, feature_name: str, used: Decimal, included: Decimal, price: UsagePrice) -> ChargeLine:
    """The overage max(0, used - included) under the price; a line even where it is 0 (E7, E10).

    The quantity is what is billable. Raises Invalid as `price_quantity` does.
    """
    billable = billable_beyond(used, included)
    priced = price_quantity(price, billable)
    return ChargeLine(
        kind=LineItemKind.USAGE,
        description=f"{feature_name}: {_usage(used, included, billable)}",
        feature_key=feature_key,
        quantity=billable,
        unit_price=priced.unit_price,
        amount=priced.amount,
        explanation=Explanation(plain(used), plain(included), billable, priced.steps, priced.exact, ROUNDING),
    )


def billable_beyond(used: Decimal, included: Decimal) -> Decimal:
    """The overage: max(0, used - included)."""
    with exact_decimals():
        return plain(max(Decimal(0), used - included))


def manual_line(description: str, quantity: Decimal, unit_price: Decimal) -> ChargeLine:
    """A line by hand: quantity x unit price, rounded once; a DISCOUNT where that is negative.

    Raises Invalid at "quantity" or "unitPrice" for more than 12 decimals and out of bounds.
    """
    _validate_factor(quantity, "quantity")
    _validate_factor(unit_price, "unitPrice")
    with exact_decimals():
        exact = plain(quantity * unit_price)
    step = PricingStep(f"{figure(quantity)} at {figure(unit_price)}", plain(quantity), plain(unit_price), exact)
    return ChargeLine(
        kind=LineItemKind.DISCOUNT if exact < 0 else LineItemKind.MANUAL,
        description=description,
        feature_key=None,
        quantity=plain(quantity),
        unit_price=plain(unit_price),
        amount=minor_from_exact(exact, "unitPrice"),
        explanation=Explanation(None, None, None, (step,), exact, ROUNDING),
    )


def _fee_line(kind: LineItemKind, description: str, text: str, seats: int, unit_price: Fraction) -> ChargeLine:
    exact = seats * unit_price
    step = PricingStep(text, Decimal(seats), plain(unit_price), plain(exact))
    rounding = ROUNDING if is_plain(exact) else ROUNDING_OF_LONGER
    return ChargeLine(
        kind=kind,
        description=description,
        feature_key=None,
        quantity=Decimal(seats),
        unit_price=plain(unit_price),
        amount=minor_from_exact(exact),
        explanation=Explanation(None, None, None, (step,), plain(exact), rounding),
    )


def _seats(seats: int, base_price: int) -> str:
    return f"{figure(seats)} {'seat' if seats == 1 else 'seats'} at {figure(base_price)}"


def _part(used: Period, whole: Period) -> str:
    """The fraction itself, in words: "7 of 31 days" where all have 24 hours, else seconds."""
    days, whole_days = used.seconds / _DAY_SECONDS, whole.seconds / _DAY_SECONDS
    if days.denominator == whole_days.denominator == 1:
        return f"{days} of {whole_days} days"
    return f"{figure(plain(used.seconds))} of {figure(plain(whole.seconds))} seconds"


def _usage(used: Decimal, included: Decimal, billable: Decimal) -> str:
    if billable == 0 and included > 0:
        return f"{figure(used)} of the included {figure(included)}"
    beyond = f" beyond the included {figure(included)}" if included > 0 else ""
    return figure(billable) + beyond


def _validate_factor(number: Decimal, name: str) -> None:
    if not number.is_finite() or abs(number) > QUANTITY_MAX:
        raise Invalid(f"Give a number between -{QUANTITY_MAX:,f} and {QUANTITY_MAX:,f}.", name)
    if decimals_of(number) > DECIMALS_MAX:
        raise Invalid(f"Give at most {DECIMALS_MAX} decimals.", name)
