"""The steps that make up a calculation and its explanation, for use inside `exact_decimals`."""

from decimal import Decimal

from app.domain.money import figure, plain
from app.domain.price.types import PricingStep


def step(description: str, quantity: Decimal, unit_price: Decimal) -> PricingStep:
    """`quantity` at `unit_price` minor units."""
    return PricingStep(description, plain(quantity), plain(unit_price), plain(quantity * unit_price))


def lump_sum(description: str, amount: int | Decimal) -> PricingStep:
    """An amount that does not depend on the quantity, in minor units: once, as a whole."""
    return step(description, Decimal(1), Decimal(amount))


def flat_fee(fee: int, tier_number: int | None = None) -> tuple[PricingStep, ...]:
    """The fee of a tier that was entered: no step where it is 0."""
    if fee == 0:
        return ()
    label = "Flat fee" if tier_number is None else f"Tier {tier_number}: flat fee"
    return (lump_sum(f"{label} of {figure(fee)}", fee),)


def units(quantity: Decimal) -> str:
    """A quantity in words, as in "5,000 units" and "1 unit"."""
    return f"{figure(quantity)} unit" if quantity == 1 else f"{figure(quantity)} units"
