"""What a plan is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from app.domain.errors import Invalid
from app.domain.money import DECIMALS_MAX, decimals_of
from app.domain.period import Interval
from app.domain.price import QUANTITY_MAX, UsagePrice, validate_price


class PlanStatus(StrEnum):
    """The life of a plan version: DRAFT, then ACTIVE, then ARCHIVED."""

    DRAFT = "DRAFT"
    ACTIVE = "ACTIVE"
    ARCHIVED = "ARCHIVED"


class BillingTiming(StrEnum):
    """When the base fee of a period is billed: as it begins, or once it has ended."""

    IN_ADVANCE = "IN_ADVANCE"
    IN_ARREARS = "IN_ARREARS"


class FeatureType(StrEnum):
    """What kind of promise a feature is."""

    BOOLEAN = "BOOLEAN"
    QUOTA = "QUOTA"
    METERED = "METERED"


class Enforcement(StrEnum):
    """HARD blocks at the limit and bills nothing beyond it; SOFT lets usage on and bills the overage."""

    HARD = "HARD"
    SOFT = "SOFT"


@dataclass(frozen=True, slots=True)
class Feature:
    """What a plan version grants. `included` in the meter's units; `meter_id` where usage is counted."""

    key: str
    name: str
    type: FeatureType
    enforcement: Enforcement | None
    meter_id: UUID | None
    included: Decimal | None
    price: UsagePrice | None

    @property
    def is_billed(self) -> bool:
        """Whether an invoice has a line for it: METERED and SOFT QUOTA, even where the amount is 0 (E10)."""
        return self.type is FeatureType.METERED or (
            self.type is FeatureType.QUOTA and self.enforcement is Enforcement.SOFT
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan version as the calculation needs it. `base_price` in minor units, for each interval and seat."""

    id: UUID
    name: str
    currency: str
    base_price: int
    interval: Interval
    interval_count: int
    timing: BillingTiming
    features: tuple[Feature, ...]

    @property
    def rhythm(self) -> tuple[Interval, int, BillingTiming]:
        """What a change of plan keeps, unless it begins a new period."""
        return self.interval, self.interval_count, self.timing


def validate_feature(feature: Feature, path: Sequence[str]) -> None:
    """Refuse a feature whose parts do not fit its type. Raises Invalid with the path of the first that does not."""
    match feature.type:
        case FeatureType.BOOLEAN:
            _absent(feature, path, "enforcement", "included", "price", "meter")
        case FeatureType.METERED:
            _absent(feature, path, "enforcement")
            _present(feature, path, "meter", "price")
        case FeatureType.QUOTA:
            _present(feature, path, "enforcement", "meter", "included")
            if feature.enforcement is Enforcement.SOFT:
                _present(feature, path, "price")
            else:
                _absent(feature, path, "price")
    if feature.included is not None:
        _validate_included(feature.included, [*path, "included"])
    if feature.price is not None:
        validate_price(feature.price, [*path, "price"])


def _validate_included(included: Decimal, path: Sequence[str]) -> None:
    if not 0 <= included <= QUANTITY_MAX or decimals_of(included) > DECIMALS_MAX:
        raise Invalid(f"Give 0 to {QUANTITY_MAX:,f} included units, with at most {DECIMALS_MAX} decimals.", *path)


def _value(feature: Feature, part: str) -> object:
    return getattr(feature, "meter_id" if part == "meter" else part)


def _present(feature: Feature, path: Sequence[str], *parts: str) -> None:
    for part in parts:
        if _value(feature, part) is None:
            raise Invalid(f"A {_kind(feature)} feature needs {part}.", *path, part)


def _absent(feature: Feature, path: Sequence[str], *parts: str) -> None:
    for part in parts:
        if _value(feature, part) is not None:
            raise Invalid(f"A {_kind(feature)} feature takes no {part}: leave it out.", *path, part)


def _kind(feature: Feature) -> str:
    return f"{feature.enforcement} QUOTA" if feature.enforcement else str(feature.type)
