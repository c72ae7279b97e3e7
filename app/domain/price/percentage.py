"""PERCENTAGE: a share of an amount of money, as payment processors charge."""

from decimal import Decimal

from app.domain.money import figure
from app.domain.price.step import flat_fee, step
from app.domain.price.types import Rated, UsagePrice


def percentage(price: UsagePrice, quantity: Decimal) -> Rated:
    """`quantity` is an amount in minor units, the unit price the share of it: 0.029 is 2.9 %."""
    (tier,) = price.tiers
    if quantity == 0:
        return Rated((), tier.unit_price)
    text = f"{figure(tier.unit_price * 100)} % of {figure(quantity)}"
    return Rated((step(text, quantity, tier.unit_price), *flat_fee(tier.flat_fee)), tier.unit_price)
