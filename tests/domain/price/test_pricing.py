"""Each pricing model, in tables: quantity in, exact minor units and the billed amount out."""

from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest

from app.domain.errors import Invalid
from app.domain.money import MINOR_MAX, exact_decimals
from app.domain.price import Priced, PricingModel, Tier, UsagePrice, price_quantity
from app.domain.usage import QUANTITY_MAX


def price(
    model: PricingModel,
    *tiers: tuple[str | None, str] | tuple[str | None, str, int],
    package_size: str | None = None,
    minimum: int | None = None,
    maximum: int | None = None,
) -> UsagePrice:
    """A price from tiers of (upTo, unitPrice, flatFee)."""
    return UsagePrice(
        model,
        tuple(
            Tier(None if up_to is None else Decimal(up_to), Decimal(unit_price), *flat_fee or (0,))
            for up_to, unit_price, *flat_fee in tiers
        ),
        None if package_size is None else Decimal(package_size),
        minimum,
        maximum,
    )


def texts(priced: Priced) -> list[str]:
    """The steps as people read them."""
    return [step.description for step in priced.steps]


CENTS_PER_CALL = price(PricingModel.PER_UNIT, (None, "0.1"))
API_CALLS = (("1000", "0"), ("10000", "10"), (None, "5"))
GRADUATED = price(PricingModel.GRADUATED, *API_CALLS)
VOLUME = price(PricingModel.VOLUME, *API_CALLS)
PER_MILLION = price(PricingModel.PACKAGE, (None, "15"), package_size="1000000")
CARD_FEE = price(PricingModel.PERCENTAGE, (None, "0.029", 30))


@pytest.mark.parametrize(
    ("unit_price", "quantity", "exact", "amount"),
    [
        ("0.1",       "5000",     "500",   500),
        ("0.1",       "1000",     "100",   100),  # 1,000 x $0.001: rounding each would give 0
        ("2",         "5",        "10",    10),   # 200 hundredths of a cent are 2 cents, never 0
        ("0.1",       "4",        "0.4",   0),
        ("0.1",       "5",        "0.5",   1),
        ("0.1",       "15",       "1.5",   2),
        ("0.000015",  "1000000",  "15",    15),   # $0.15 per million tokens (M3)
        ("0.000015",  "1",        "0.000015", 0),
        ("2",         "2.5",      "5",     5),    # half a gigabyte counts (M45)
        ("0.1",       "0",        "0",     0),
    ],
)  # fmt: skip
def test_per_unit(unit_price: str, quantity: str, exact: str, amount: int) -> None:
    """PER_UNIT multiplies in decimals of minor units and rounds once (M1, M2, M3, M45, E7, E14)."""
    priced = price_quantity(price(PricingModel.PER_UNIT, (None, unit_price)), Decimal(quantity))
    assert (str(priced.exact), priced.amount) == (str(Decimal(exact)), amount)
    assert priced.unit_price == Decimal(unit_price)


@pytest.mark.parametrize(
    ("quantity", "graduated", "volume"),
    [
        (    "0",         "0",        "0"),
        (    "1",         "0",        "0"),
        ( "1000",         "0",        "0"),
        ( "1000.5",       "5",    "10005"),
        ( "1001",        "10",    "10010"),
        ("10000",     "90000",   "100000"),
        ("10001",     "90005",    "50005"),
        ("25000",    "165000",   "125000"),
    ],
)  # fmt: skip
def test_tiers_have_inclusive_bounds(quantity: str, graduated: str, volume: str) -> None:
    """A bound is its tier's last unit; null is infinity; 25,000 calls cost $1,650 (M35, M2, D10)."""
    assert price_quantity(GRADUATED, Decimal(quantity)).exact == Decimal(graduated)
    assert price_quantity(VOLUME, Decimal(quantity)).exact == Decimal(volume)


@pytest.mark.parametrize(
    ("quantity", "graduated", "volume"),
    [
        (   "0",      0,     0),
        (   "1",    101,   101),
        (  "10",    110,   110),
        (  "10.5",  361,   271),  # 110 + 250 + 1, and 250 + 21
        (  "11",    362,   272),
    ],
)  # fmt: skip
def test_a_flat_fee_is_charged_once_a_tier_is_entered(quantity: str, graduated: int, volume: int) -> None:
    """GRADUATED sums the fees of the tiers entered, VOLUME takes the reached one's; 0 has none."""
    tiers = (("10", "1", 100), (None, "2", 250))
    by_tier = price(PricingModel.GRADUATED, *tiers)
    by_volume = price(PricingModel.VOLUME, *tiers)
    assert price_quantity(by_tier, Decimal(quantity)).amount == graduated
    assert price_quantity(by_volume, Decimal(quantity)).amount == volume


@pytest.mark.parametrize(
    ("quantity", "amount"),
    [
        (      "0",            0),
        (      "0.000000000001", 15),
        (      "1",           15),
        ("1000000",           15),
        ("1000000.5",         30),
        ("1000001",           30),
        ("2000000",           30),
    ],
)  # fmt: skip
def test_a_started_package_is_charged_whole(quantity: str, amount: int) -> None:
    """PACKAGE charges whole packages: one unit more starts another (M3)."""
    assert price_quantity(PER_MILLION, Decimal(quantity)).amount == amount


@pytest.mark.parametrize(
    ("quantity", "exact", "amount"),
    [
        ("10000", "320",   320),
        (  "100",  "32.9",  33),
        (    "0",   "0",     0),
    ],
)  # fmt: skip
def test_a_percentage_is_a_share_of_an_amount(quantity: str, exact: str, amount: int) -> None:
    """PERCENTAGE takes 2.9 % of minor units, and its flat fee where there are any."""
    priced = price_quantity(CARD_FEE, Decimal(quantity))
    assert (priced.exact, priced.amount) == (Decimal(exact), amount)


@pytest.mark.parametrize(
    ("quantity", "minimum", "maximum", "exact", "amount"),
    [
        (    "0",  500, None,  "500",  500),
        ( "4999",  500, None,  "500",  500),
        ( "5000",  500, None,  "500",  500),
        ( "5004",  500, None,  "500.4", 500),
        ("20000", None, 1000, "1000", 1000),
        ( "9999", None, 1000,  "999.9", 1000),
        ("20000",  700,  700,  "700",  700),
        ("20000", None,    0,    "0",    0),
    ],
)  # fmt: skip
def test_minimum_and_maximum_bound_the_line(
    quantity: str, minimum: int | None, maximum: int | None, exact: str, amount: int
) -> None:
    """The minimum is due even for a quantity of 0; the maximum caps; the steps still sum up."""
    bounded = price(PricingModel.PER_UNIT, (None, "0.1"), minimum=minimum, maximum=maximum)
    priced = price_quantity(bounded, Decimal(quantity))
    assert (priced.exact, priced.amount) == (Decimal(exact), amount)
    assert sum(step.amount for step in priced.steps) == priced.exact


@pytest.mark.parametrize(
    ("usage_price", "quantity", "steps"),
    [
        (CENTS_PER_CALL, "0",     []),
        (CENTS_PER_CALL, "1",     ["1 unit at 0.1"]),
        (GRADUATED,      "25000", ["Tier 1: first 1,000 units at 0",
                                   "Tier 2: next 9,000 units at 10",
                                   "Tier 3: next 15,000 units at 5"]),
        (VOLUME,         "25000", ["Tier 3: all 25,000 units at 5"]),
        (PER_MILLION,    "2500000", ["3 started packages of 1,000,000 at 15"]),
        (CARD_FEE,       "10000", ["2.9 % of 10,000", "Flat fee of 30"]),
        (price(PricingModel.GRADUATED, ("10", "1", 7), (None, "2", 0)), "11",
                                  ["Tier 1: first 10 units at 1", "Tier 1: flat fee of 7",
                                   "Tier 2: next 1 unit at 2"]),
        (price(PricingModel.PER_UNIT, (None, "1"), minimum=5000), "7",
                                  ["7 units at 1", "Raised to the minimum of 5,000"]),
        (price(PricingModel.PER_UNIT, (None, "1"), minimum=7, maximum=7), "7",
                                  ["7 units at 1"]),
        (price(PricingModel.PER_UNIT, (None, "1"), maximum=5), "7",
                                  ["7 units at 1", "Lowered to the maximum of 5"]),
    ],
)  # fmt: skip
def test_the_calculation_explains_itself(usage_price: UsagePrice, quantity: str, steps: list[str]) -> None:
    """The steps say in words what was multiplied with what."""
    assert texts(price_quantity(usage_price, Decimal(quantity))) == steps


@pytest.mark.parametrize(
    ("usage_price", "quantity", "unit_price"),
    [
        (CENTS_PER_CALL,                                     "0",     "0.1"),
        (CARD_FEE,                                           "5",     "0.029"),
        (VOLUME,                                             "25000", "5"),
        (VOLUME,                                             "0",     None),
        (GRADUATED,                                          "1",     None),
        (price(PricingModel.GRADUATED, (None, "3")),         "1",     "3"),
        (PER_MILLION,                                        "1",     None),
    ],
)  # fmt: skip
def test_a_unit_price_is_given_where_there_is_one(
    usage_price: UsagePrice, quantity: str, unit_price: str | None
) -> None:
    """Tiers that give no single price have none, nor has a unit of a package."""
    expected = None if unit_price is None else Decimal(unit_price)
    assert price_quantity(usage_price, Decimal(quantity)).unit_price == expected


@pytest.mark.parametrize("quantity", ["-1", "-0.000000000001", "NaN", "Infinity", "-Infinity"])
def test_refuses_what_is_no_quantity(quantity: str) -> None:
    """A quantity to bill is a finite number of 0 or more."""
    with pytest.raises(Invalid):
        price_quantity(CENTS_PER_CALL, Decimal(quantity))


def test_refuses_an_amount_beyond_the_bound() -> None:
    """A line reaches 2^53-1 minor units exactly, and what lies beyond is refused (M4)."""
    one = price(PricingModel.PER_UNIT, (None, "1"))
    assert price_quantity(one, Decimal(MINOR_MAX)).amount == MINOR_MAX
    assert price_quantity(one, Decimal(f"{MINOR_MAX}.4999999999999999")).amount == MINOR_MAX
    for beyond in (f"{MINOR_MAX}.5", "1E+30", "1E+150", "1E+999999"):
        with pytest.raises(Invalid):
            price_quantity(one, Decimal(beyond))
    with pytest.raises(Invalid, match=r"9,007,199,254,740,992 units cost more than .* give the price a maximum"):
        price_quantity(one, Decimal(MINOR_MAX + 1))


@pytest.mark.parametrize("events", [1, 1000, 10**9, 10**15])
@pytest.mark.parametrize("model", list(PricingModel))
def test_no_sum_of_events_is_too_large_to_price(model: PricingModel, events: int) -> None:
    """However many of the largest events come together, they are priced to the last digit, and a maximum holds."""
    with exact_decimals():
        total = events * (QUANTITY_MAX - Decimal("0.000000000001"))
    size = "0.000000000001" if model is PricingModel.PACKAGE else None
    most = price(model, (None, f"{MINOR_MAX}"), package_size=size, maximum=MINOR_MAX)
    assert price_quantity(most, total).amount == MINOR_MAX
    least = price(model, (None, "0.000000000001"), package_size="1" if size else None, maximum=MINOR_MAX)
    packages = ceil(Fraction(total)) if size else Fraction(total)
    assert Fraction(price_quantity(least, total).exact) == min(Fraction(packages) / 10**12, MINOR_MAX)


@pytest.mark.parametrize("model", list(PricingModel))
def test_stays_exact_where_28_digits_are_too_few(model: PricingModel) -> None:
    """The smallest price times a quantity of 24 digits loses nothing."""
    size = "0.000000000007" if model is PricingModel.PACKAGE else None
    quantity = Decimal("123456789012.123456789013")
    priced = price_quantity(price(model, (None, "0.000000000007"), package_size=size), quantity)
    if model is PricingModel.PACKAGE:
        assert priced.exact == Decimal("123456789012.123456789018")  # a multiple of 7
    else:
        assert str(priced.exact) == "0.864197523084864197523091"
