"""From a price and a quantity to an amount: the model's steps, the line's bounds, one rounding."""

from decimal import Decimal
from typing import assert_never

from app.domain.errors import Invalid
from app.domain.money import MINOR_MAX, exact_decimals, figure, minor_from_exact, plain, round_half_away
from app.domain.price.graduated import graduated
from app.domain.price.package import package
from app.domain.price.per_unit import per_unit
from app.domain.price.percentage import percentage
from app.domain.price.step import lump_sum
from app.domain.price.types import Priced, PricingModel, PricingStep, Rated, UsagePrice
from app.domain.price.volume import volume


def price_quantity(price: UsagePrice, billable: Decimal) -> Priced:
    """What `billable` units cost under a valid price, rounded once half away from zero (E7).

    A quantity of 0 enters no tier; the minimum holds for it all the same. However large the quantity is, only the
    amount is bounded. Raises Invalid for a quantity below 0 and for an amount beyond `MINOR_MAX`.
    """
    if not billable.is_finite() or billable < 0:
        raise Invalid("A quantity to bill is a number of 0 or more.")
    with exact_decimals():
        rated = _rated(price, billable)
        steps = (*rated.steps, *_bounding_steps(price, _sum(rated.steps)))
        exact = plain(_sum(steps))
    if round_half_away(exact) > MINOR_MAX:
        raise Invalid(
            f"{figure(billable)} units cost more than {MINOR_MAX:,} minor units, the most that a line can bear:"
            " look for an event whose quantity is a mistake, or give the price a maximum."
        )
    return Priced(exact, minor_from_exact(exact), steps, rated.unit_price)


def _rated(price: UsagePrice, quantity: Decimal) -> Rated:
    match price.model:
        case PricingModel.PER_UNIT:
            return per_unit(price, quantity)
        case PricingModel.GRADUATED:
            return graduated(price, quantity)
        case PricingModel.VOLUME:
            return volume(price, quantity)
        case PricingModel.PACKAGE:
            return package(price, quantity)
        case PricingModel.PERCENTAGE:
            return percentage(price, quantity)
        case unknown:
            assert_never(unknown)


def _bounding_steps(price: UsagePrice, exact: Decimal) -> tuple[PricingStep, ...]:
    """What brings the line within its minimum and maximum, so that the steps still sum to it."""
    if price.minimum is not None and exact < price.minimum:
        text = f"Raised to the minimum of {figure(price.minimum)}"
        return (lump_sum(text, price.minimum - exact),)
    if price.maximum is not None and exact > price.maximum:
        text = f"Lowered to the maximum of {figure(price.maximum)}"
        return (lump_sum(text, price.maximum - exact),)
    return ()


def _sum(steps: tuple[PricingStep, ...]) -> Decimal:
    return sum((step.amount for step in steps), Decimal(0))
