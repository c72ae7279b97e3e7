"""PACKAGE: whole packages, of which a started one is charged whole (Stripe's package pricing)."""

from decimal import Decimal

from app.domain.money import figure
from app.domain.price.step import flat_fee, step
from app.domain.price.types import Rated, UsagePrice


def package(price: UsagePrice, quantity: Decimal) -> Rated:
    """As many packages of `package_size` units as `quantity` starts; a unit has no price."""
    (tier,), size = price.tiers, price.package_size
    if size is None:
        raise ValueError("a PACKAGE price was not validated: it has no package size")
    if quantity == 0:
        return Rated((), None)
    full, rest = divmod(quantity, size)
    packages = full + 1 if rest else full
    noun = "package" if packages == 1 else "packages"
    text = f"{figure(packages)} started {noun} of {figure(size)} at {figure(tier.unit_price)}"
    return Rated((step(text, packages, tier.unit_price), *flat_fee(tier.flat_fee)), None)
