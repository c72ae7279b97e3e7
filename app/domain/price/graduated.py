"""GRADUATED: each tier's part at its own price (Stripe's graduated tiers, E7)."""

from collections.abc import Iterator
from decimal import Decimal

from app.domain.money import figure
from app.domain.price.step import flat_fee, step, units
from app.domain.price.types import PricingStep, Rated, UsagePrice


def graduated(price: UsagePrice, quantity: Decimal) -> Rated:
    """Fills the tiers from the first on; only a sole tier gives a single unit price."""
    sole_price = price.tiers[0].unit_price if len(price.tiers) == 1 else None
    return Rated(tuple(_steps(price, quantity)), sole_price)


def _steps(price: UsagePrice, quantity: Decimal) -> Iterator[PricingStep]:
    below = Decimal(0)
    for number, tier in enumerate(price.tiers, start=1):
        if quantity <= below:
            return
        reached = quantity if tier.up_to is None else min(quantity, tier.up_to)
        part = reached - below
        which = "first" if number == 1 else "next"
        text = f"Tier {number}: {which} {units(part)} at {figure(tier.unit_price)}"
        yield step(text, part, tier.unit_price)
        yield from flat_fee(tier.flat_fee, number)
        below = reached
