"""Which prices are refused, where, and with what advice."""

from dataclasses import replace
from decimal import Decimal

import pytest

from app.domain.errors import Invalid
from app.domain.money import MINOR_MAX
from app.domain.price import QUANTITY_MAX, PricingModel, Tier, UsagePrice, validate_price

OPEN = Tier(None, Decimal(1), 0)
PER_UNIT = UsagePrice(PricingModel.PER_UNIT, (OPEN,), None, None, None)
PERCENTAGE = replace(PER_UNIT, model=PricingModel.PERCENTAGE)
PACKAGE = replace(PER_UNIT, model=PricingModel.PACKAGE, package_size=Decimal(1000))


def tiered(*up_to: str | None) -> UsagePrice:
    """A GRADUATED price with these bounds."""
    tiers = (Tier(None if bound is None else Decimal(bound), Decimal(1), 0) for bound in up_to)
    return replace(PER_UNIT, model=PricingModel.GRADUATED, tiers=tuple(tiers))


def costing(unit_price: str, flat_fee: int = 0) -> UsagePrice:
    """A PER_UNIT price of one tier."""
    return replace(PER_UNIT, tiers=(Tier(None, Decimal(unit_price), flat_fee),))


@pytest.mark.parametrize(
    "price",
    [
        PER_UNIT,
        PACKAGE,
        tiered(None),
        tiered("0.000000000001", "1000", "10000", None),
        replace(tiered("1000", None), model=PricingModel.VOLUME),
        PERCENTAGE,
        costing("0"),
        costing("0.000000000001", MINOR_MAX),
        costing("0.1000000000000000000"),
        costing(f"{MINOR_MAX}"),
        replace(PER_UNIT, minimum=5, maximum=5),
        replace(PER_UNIT, minimum=0, maximum=MINOR_MAX),
    ],
)
def test_accepts_what_can_be_calculated(price: UsagePrice) -> None:
    """A price with ascending tiers, the last one open, and no more than 12 decimals is valid."""
    validate_price(price, ["input"])


@pytest.mark.parametrize(
    ("path", "advice", "price"),
    [
        ("tiers",             "at least one",    replace(PER_UNIT, tiers=())),
        ("tiers",             "takes one tier",  replace(PER_UNIT, tiers=(OPEN, OPEN))),
        ("tiers",             "takes one tier",  replace(PACKAGE, tiers=(OPEN, OPEN))),
        ("tiers",             "takes one tier",  replace(PERCENTAGE, tiers=(OPEN, OPEN))),
        ("tiers",             "at most 100",     tiered(*map(str, range(1, 101)), None)),
        ("tiers.1.upTo",      "ascend",          tiered("10", "10", None)),
        ("tiers.1.upTo",      "ascend",          tiered("10", "9", None)),
        ("tiers.0.upTo",      "ascend",          tiered("0", None)),
        ("tiers.0.upTo",      "from 0",          tiered("-1", None)),
        ("tiers.0.upTo",      "from 0",          tiered(f"{QUANTITY_MAX + 1}", None)),
        ("tiers.0.upTo",      "12 decimals",     tiered("0.0000000000001", None)),
        ("tiers.1.upTo",      "last tier open",  tiered("10", "20")),
        ("tiers.0.upTo",      "last tier open",  tiered("10")),
        ("tiers.1.upTo",      "Only the last",   tiered("10", None, "20")),
        ("tiers.0.upTo",      "Only the last",   tiered(None, None)),
        ("tiers.0.unitPrice", "12 decimals",     costing("0.0000000000001")),
        ("tiers.0.unitPrice", "12 decimals",     costing("1E-999999999")),
        ("tiers.0.unitPrice", "from 0",          costing("-0.1")),
        ("tiers.0.unitPrice", "from 0",          costing("1E+999999")),
        ("tiers.0.unitPrice", "from 0",          costing("NaN")),
        ("tiers.0.unitPrice", "from 0",          costing("Infinity")),
        ("tiers.0.flatFee",   "minor units",     costing("1", -1)),
        ("tiers.0.flatFee",   "minor units",     costing("1", MINOR_MAX + 1)),
        ("packageSize",       "how many units",  replace(PACKAGE, package_size=None)),
        ("packageSize",       "more than 0",     replace(PACKAGE, package_size=Decimal(0))),
        ("packageSize",       "from 0",          replace(PACKAGE, package_size=Decimal(-1))),
        ("packageSize",       "leave it out",    replace(PER_UNIT, package_size=Decimal(1))),
        ("minimum",           "minor units",     replace(PER_UNIT, minimum=-1)),
        ("maximum",           "minor units",     replace(PER_UNIT, maximum=-1)),
        ("maximum",           "minor units",     replace(PER_UNIT, maximum=MINOR_MAX + 1)),
        ("minimum",           "no more than",    replace(PER_UNIT, minimum=6, maximum=5)),
    ],
)  # fmt: skip
def test_refuses_with_a_path_and_advice(path: str, advice: str, price: UsagePrice) -> None:
    """What cannot be calculated is refused where it stands in the input, with how to mend it."""
    with pytest.raises(Invalid) as refused:
        validate_price(price, ["features", "3", "price"])
    assert refused.value.path == ("features", "3", "price", *path.split("."))
    assert advice in refused.value.message
