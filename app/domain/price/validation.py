"""What makes a price valid. Each refusal says what to do and leads to the place in the input."""

from collections.abc import Sequence
from decimal import Decimal

from app.domain.errors import Invalid
from app.domain.money import DECIMALS_MAX, MINOR_MAX, decimals_of
from app.domain.price.types import PricingModel, Tier, UsagePrice

QUANTITY_MAX = Decimal(10**18)
"""The largest quantity that a price may name: a thousand of the largest events. Usage beyond it is in the last tier."""

TIERS_MAX = 100
"""More than any price list has; it bounds the work of pricing."""

_ONE_PRICE = frozenset({PricingModel.PER_UNIT, PricingModel.PACKAGE, PricingModel.PERCENTAGE})


def validate_price(price: UsagePrice, path: Sequence[str]) -> None:
    """Nothing, where the price can be calculated with. Raises Invalid with a path below `path`."""
    _validate_tier_count(price, [*path, "tiers"])
    for i, tier in enumerate(price.tiers):
        _validate_tier_price(tier, [*path, "tiers", str(i)])
    _validate_bounds_of_tiers(price.tiers, [*path, "tiers"])
    _validate_package_size(price, [*path, "packageSize"])
    _validate_bounds_of_line(price, path)


def _validate_tier_count(price: UsagePrice, path: Sequence[str]) -> None:
    if not price.tiers:
        raise Invalid("Give at least one tier; its upTo is null.", *path)
    if price.model in _ONE_PRICE and len(price.tiers) > 1:
        raise Invalid(f"{price.model} takes one tier: remove the others, or use GRADUATED or VOLUME.", *path)
    if len(price.tiers) > TIERS_MAX:
        raise Invalid(f"Give at most {TIERS_MAX} tiers.", *path)


def _validate_tier_price(tier: Tier, path: Sequence[str]) -> None:
    _validate_number(tier.unit_price, Decimal(MINOR_MAX), [*path, "unitPrice"])
    _validate_amount(tier.flat_fee, [*path, "flatFee"])


def _validate_bounds_of_tiers(tiers: Sequence[Tier], path: Sequence[str]) -> None:
    below = Decimal(0)
    for i, tier in enumerate(tiers[:-1]):
        here = (*path, str(i), "upTo")
        if tier.up_to is None:
            raise Invalid("Only the last tier is infinite: give this one an upper bound.", *here)
        _validate_number(tier.up_to, QUANTITY_MAX, here)
        if tier.up_to <= below:
            raise Invalid("Let the bounds ascend: each above the one before, the first above 0.", *here)
        below = tier.up_to
    if tiers[-1].up_to is not None:
        raise Invalid("Leave the last tier open: its upTo is null.", *path, str(len(tiers) - 1), "upTo")


def _validate_package_size(price: UsagePrice, path: Sequence[str]) -> None:
    if price.model is not PricingModel.PACKAGE:
        if price.package_size is not None:
            raise Invalid(f"{price.model} has no packages: leave it out.", *path)
        return
    if price.package_size is None:
        raise Invalid("Say how many units a package holds.", *path)
    _validate_number(price.package_size, QUANTITY_MAX, path)
    if price.package_size == 0:
        raise Invalid("A package holds more than 0 units.", *path)


def _validate_bounds_of_line(price: UsagePrice, path: Sequence[str]) -> None:
    if price.minimum is not None:
        _validate_amount(price.minimum, [*path, "minimum"])
    if price.maximum is not None:
        _validate_amount(price.maximum, [*path, "maximum"])
    if price.minimum is not None and price.maximum is not None and price.minimum > price.maximum:
        raise Invalid("Let the minimum be no more than the maximum.", *path, "minimum")


def _validate_number(number: Decimal, most: Decimal, path: Sequence[str]) -> None:
    if not number.is_finite() or not 0 <= number <= most:
        raise Invalid(f"Give a number from 0 to {most:,f}.", *path)
    if decimals_of(number) > DECIMALS_MAX:
        raise Invalid(f"Give at most {DECIMALS_MAX} decimals.", *path)


def _validate_amount(amount: int, path: Sequence[str]) -> None:
    if not 0 <= amount <= MINOR_MAX:
        raise Invalid(f"Give an amount from 0 to {MINOR_MAX:,} minor units.", *path)
