"""The shape of a price and of its answer. Unit prices and exact amounts are in minor units."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class PricingModel(StrEnum):
    """How tiers turn a quantity into an amount."""

    PER_UNIT = "PER_UNIT"
    GRADUATED = "GRADUATED"
    VOLUME = "VOLUME"
    PACKAGE = "PACKAGE"
    PERCENTAGE = "PERCENTAGE"


@dataclass(frozen=True, slots=True)
class Tier:
    """The price of the units beyond the tier before, up to and including `up_to` (M35).

    None is infinity. `unit_price` in minor units per unit, for PACKAGE per package, for PERCENTAGE
    the share (0.029 is 2.9 %). `flat_fee` in minor units is charged once the tier is entered.
    """

    up_to: Decimal | None
    unit_price: Decimal
    flat_fee: int


@dataclass(frozen=True, slots=True)
class UsagePrice:
    """What usage costs. Tiers ascend and the last is infinite.

    `minimum` and `maximum` bound the line, in minor units; `package_size` is for PACKAGE alone.
    """

    model: PricingModel
    tiers: tuple[Tier, ...]
    package_size: Decimal | None
    minimum: int | None
    maximum: int | None


@dataclass(frozen=True, slots=True)
class PricingStep:
    """One step of a calculation: `quantity` at `unit_price` gives `amount`, exact minor units."""

    description: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Rated:
    """A model's answer, before the bounds of the line and the rounding."""

    steps: tuple[PricingStep, ...]
    unit_price: Decimal | None


@dataclass(frozen=True, slots=True)
class Priced:
    """What a quantity costs, in minor units: `exact` sums the steps, `amount` is it rounded once.

    `unit_price` is what one unit costs: None where tiers give no single price, and for packages.
    """

    exact: Decimal
    amount: int
    steps: tuple[PricingStep, ...]
    unit_price: Decimal | None
