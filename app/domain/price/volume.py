"""VOLUME: the whole quantity at the price of the tier that it reaches (Stripe's volume tiers)."""

from decimal import Decimal

from app.domain.money import figure
from app.domain.price.step import flat_fee, step, units
from app.domain.price.types import Rated, UsagePrice


def volume(price: UsagePrice, quantity: Decimal) -> Rated:
    """All units at the reached tier's price, and its flat fee alone; 0 units reach no tier."""
    if quantity == 0:
        return Rated((), None)
    number, tier = next(
        (number, tier)
        for number, tier in enumerate(price.tiers, start=1)
        if tier.up_to is None or quantity <= tier.up_to
    )
    text = f"Tier {number}: all {units(quantity)} at {figure(tier.unit_price)}"
    steps = (step(text, quantity, tier.unit_price), *flat_fee(tier.flat_fee, number))
    return Rated(steps, tier.unit_price)
