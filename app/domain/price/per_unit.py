"""PER_UNIT: every unit at the same price."""

from decimal import Decimal

from app.domain.money import figure
from app.domain.price.step import flat_fee, step, units
from app.domain.price.types import Rated, UsagePrice


def per_unit(price: UsagePrice, quantity: Decimal) -> Rated:
    """`quantity` units at the one tier's price."""
    (tier,) = price.tiers
    if quantity == 0:
        return Rated((), tier.unit_price)
    text = f"{units(quantity)} at {figure(tier.unit_price)}"
    return Rated((step(text, quantity, tier.unit_price), *flat_fee(tier.flat_fee)), tier.unit_price)
