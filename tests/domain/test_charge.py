"""From a plan to lines: the golden stories of the source articles, and lines by hand."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.charge import (
    ROUNDING,
    ROUNDING_OF_LONGER,
    ChargeLine,
    LineItemKind,
    base_fee_line,
    manual_line,
    prorated_base_fee_line,
    usage_line,
)
from app.domain.errors import Invalid
from app.domain.money import MINOR_MAX, round_half_away
from app.domain.period import Period
from app.domain.price import PricingModel, Tier, UsagePrice

MAY = Period(datetime(2026, 5, 13, tzinfo=UTC), datetime(2026, 6, 13, tzinfo=UTC))
SEVEN_DAYS = Period(MAY.start, datetime(2026, 5, 20, tzinfo=UTC))


def per_unit(unit_price: str, minimum: int | None = None) -> UsagePrice:
    """A PER_UNIT price."""
    tiers = (Tier(None, Decimal(unit_price), 0),)
    return UsagePrice(PricingModel.PER_UNIT, tiers, None, minimum, None)


CALL = per_unit("0.1")
GIGABYTE = per_unit("2")


def steps_of(line: ChargeLine) -> list[tuple[str, Decimal, Decimal, Decimal]]:
    """The steps as rows."""
    return [(step.description, step.quantity, step.unit_price, step.amount) for step in line.explanation.steps]


# ---------------------------------------------------------------- base fee


@pytest.mark.parametrize(
    ("base_price", "seats", "amount", "step"),
    [
        (9900,  1,   9900, "1 seat at 9,900"),
        (2900, 12,  34800, "12 seats at 2,900"),
        (   0,  1,      0, "1 seat at 0"),
        (9900,  0,      0, "0 seats at 9,900"),
    ],
)  # fmt: skip
def test_the_base_fee_is_due_for_each_seat(base_price: int, seats: int, amount: int, step: str) -> None:
    """A whole period's base fee is the price times the seats."""
    line = base_fee_line("Pro", base_price, seats)
    assert (line.kind, line.description) == (LineItemKind.BASE_FEE, "Pro: base fee")
    assert (line.quantity, line.unit_price, line.amount) == (seats, base_price, amount)
    assert steps_of(line) == [(step, seats, base_price, amount)]
    assert (line.explanation.exact, line.explanation.rounding) == (amount, ROUNDING)
    assert line.feature_key is line.explanation.used is line.explanation.billable is None


def test_refuses_a_base_fee_beyond_the_bound() -> None:
    """A fee beyond 2^53-1 minor units is refused (M4)."""
    with pytest.raises(Invalid):
        base_fee_line("Pro", MINOR_MAX, 2)


@pytest.mark.parametrize(
    ("base_price", "seats", "amount", "exact"),
    [
        (  2900,  1,    655,    "654.838709677419"),
        (  9900,  1,   2235,   "2235.483870967742"),  # 0.226 x 9900 would give 2237
        ( 29000,  1,   6548,   "6548.387096774194"),
        (290000,  1,  65484,  "65483.870967741935"),
        (478800,  1, 108116, "108116.129032258065"),  # 0.226 x 478800 would give 108209
        (  2900, 10,   6548,   "6548.387096774194"),  # rounded once, not for each seat: 6550
        (  3100,  1,    700,    "700"),
        (     0,  1,      0,      "0"),
    ],
)  # fmt: skip
def test_a_prorated_base_fee_is_the_exact_fraction(base_price: int, seats: int, amount: int, exact: str) -> None:
    """7 of 31 days cost fee x 7/31, rounded once; a rounded factor is never used (M5, M6, E11)."""
    line = prorated_base_fee_line("Pro", base_price, seats, SEVEN_DAYS, MAY)
    assert (line.kind, line.quantity, line.amount) == (LineItemKind.BASE_FEE, seats, amount)
    assert line.description == "Pro: base fee (7 of 31 days)"
    assert line.explanation.exact == Decimal(exact)
    assert line.explanation.steps[0].description.endswith(f"at {base_price:,} for 7 of 31 days")


def test_a_prorated_line_says_how_far_its_exact_amount_is_shown() -> None:
    """An exact amount that repeats is shown to 12 decimals and the line says so."""
    repeating = prorated_base_fee_line("Pro", 2900, 1, SEVEN_DAYS, MAY)
    assert repeating.explanation.rounding == ROUNDING_OF_LONGER
    assert repeating.unit_price == Decimal("654.838709677419")
    whole = prorated_base_fee_line("Pro", 3100, 1, SEVEN_DAYS, MAY)
    assert whole.explanation.rounding == ROUNDING


def test_a_part_of_a_day_is_told_in_seconds() -> None:
    """A cancellation at noon is prorated by the second, and the explanation says which."""
    noon = Period(MAY.start, datetime(2026, 5, 19, 12, tzinfo=UTC))
    line = prorated_base_fee_line("Pro", 3100, 1, noon, MAY)
    assert line.amount == 650
    assert line.description == "Pro: base fee (561,600 of 2,678,400 seconds)"
    short = Period(MAY.start, datetime(2026, 6, 12, 23, tzinfo=UTC))
    line = prorated_base_fee_line("Pro", 3100, 1, SEVEN_DAYS, short)
    assert line.amount == 701
    assert line.description == "Pro: base fee (604,800 of 2,674,800 seconds)"


def test_a_whole_period_prorates_to_the_whole_fee() -> None:
    """The fee of the whole period is the whole fee, that of none of it is 0."""
    assert prorated_base_fee_line("Pro", 2900, 3, MAY, MAY).amount == 8700
    assert prorated_base_fee_line("Pro", 2900, 3, Period(MAY.start, MAY.start), MAY).amount == 0


# ---------------------------------------------------------------- usage


@pytest.mark.parametrize(
    ("used", "included", "price", "billable", "amount", "text"),
    [
        ("35000", "50000", CALL,        "0",   0, "35,000 of the included 50,000"),
        ("50000", "50000", CALL,        "0",   0, "50,000 of the included 50,000"),
        ("55000", "50000", CALL,     "5000", 500, "5,000 beyond the included 50,000"),
        (    "7",    "10", GIGABYTE,    "0",   0, "7 of the included 10"),
        (   "15",    "10", GIGABYTE,    "5",  10, "5 beyond the included 10"),
        (   "12.5",  "10", GIGABYTE,    "2.5", 5, "2.5 beyond the included 10"),
        (  "950",     "0", GIGABYTE,  "950", 1900, "950"),
        (    "0",     "0", GIGABYTE,    "0",   0, "0"),
        (   "-3",    "10", GIGABYTE,    "0",   0, "-3 of the included 10"),
        (   "-3",     "0", GIGABYTE,    "0",   0, "0"),
        (    "7",    "10", per_unit("2", minimum=300), "0", 300, "7 of the included 10"),
    ],
)  # fmt: skip
def test_usage_beyond_what_is_included_is_billed(
    used: str, included: str, price: UsagePrice, billable: str, amount: int, text: str
) -> None:
    """Overage is max(0, used - included) x price; there is a line even for 0 (E7, E10, M1, M45)."""
    line = usage_line("api_calls", "API calls", Decimal(used), Decimal(included), price)
    assert (line.kind, line.feature_key) == (LineItemKind.USAGE, "api_calls")
    assert (line.quantity, line.amount) == (Decimal(billable), amount)
    assert line.description == f"API calls: {text}"
    why = line.explanation
    assert (why.used, why.included) == (Decimal(used), Decimal(included))
    assert (why.billable, why.exact, why.rounding) == (Decimal(billable), amount, ROUNDING)


def test_acme_without_overage() -> None:
    """35,000 of 50,000 calls on a base of $99.00: two lines, the second of 0 (E10)."""
    lines = [
        base_fee_line("Growth", 9900, 1),
        usage_line("api_calls", "API calls", Decimal(35_000), Decimal(50_000), CALL),
    ]
    assert [line.amount for line in lines] == [9900, 0]


def test_usage_is_not_prorated() -> None:
    """950 used in 7 of 31 days are 950 billed; 215 would be wrong (E11)."""
    line = usage_line("api_calls", "API calls", Decimal(950), Decimal(0), per_unit("1"))
    assert (line.quantity, line.amount) == (950, 950)


def test_included_is_taken_off_before_the_tiers() -> None:
    """What is included never fills the first tier."""
    tiers = (Tier(Decimal(1000), Decimal(10), 0), Tier(None, Decimal(5), 0))
    price = UsagePrice(PricingModel.GRADUATED, tiers, None, None, None)
    line = usage_line("api_calls", "API calls", Decimal(3000), Decimal(1000), price)
    assert (line.quantity, line.unit_price, line.amount) == (2000, None, 15_000)
    assert steps_of(line) == [
        ("Tier 1: first 1,000 units at 10", 1000, 10, 10_000),
        ("Tier 2: next 1,000 units at 5", 1000, 5, 5000),
    ]


def test_quantities_are_told_without_trailing_zeros() -> None:
    """A quantity as the database keeps it reads as people write it."""
    line = usage_line("storage", "Storage", Decimal("15.000000"), Decimal("10.000000"), GIGABYTE)
    assert str(line.quantity) == "5"
    assert [step[0] for step in steps_of(line)] == ["5 units at 2"]


# ---------------------------------------------------------------- by hand


@pytest.mark.parametrize(
    ("quantity", "unit_price", "kind", "amount"),
    [
        ( "3",    "1500",   LineItemKind.MANUAL,    4500),
        ( "1",   "-1500",   LineItemKind.DISCOUNT, -1500),
        ("-1",    "1500",   LineItemKind.DISCOUNT, -1500),
        ("-1",   "-1500",   LineItemKind.MANUAL,    1500),
        ( "1.5",    "33",   LineItemKind.MANUAL,      50),
        ( "1.5",   "-33",   LineItemKind.DISCOUNT,   -50),
        ( "1",      "-0.4", LineItemKind.DISCOUNT,     0),
        ( "0",    "1500",   LineItemKind.MANUAL,       0),
    ],
)  # fmt: skip
def test_a_line_by_hand(quantity: str, unit_price: str, kind: LineItemKind, amount: int) -> None:
    """Quantity times unit price is rounded once; what is negative is a discount (M7)."""
    line = manual_line("Zorblax onboarding", Decimal(quantity), Decimal(unit_price))
    assert (line.kind, line.amount, line.description) == (kind, amount, "Zorblax onboarding")
    assert line.explanation.exact == Decimal(quantity) * Decimal(unit_price)
    assert [step[3] for step in steps_of(line)] == [line.explanation.exact]


@pytest.mark.parametrize(
    ("quantity", "unit_price", "path"),
    [
        ("0.0000000000001", "1",               "quantity"),
        ("1E+19",           "1",               "quantity"),
        ("NaN",             "1",               "quantity"),
        ("1E-999999999",    "1",               "quantity"),
        ("1",               "0.0000000000001", "unitPrice"),
        ("1",               "Infinity",        "unitPrice"),
        ("1",               f"{MINOR_MAX + 1}", "unitPrice"),
        ("1000000000",      "1000000000",      "unitPrice"),
    ],
)  # fmt: skip
def test_refuses_a_line_by_hand_out_of_bounds(quantity: str, unit_price: str, path: str) -> None:
    """Too fine and too large numbers are refused at their place."""
    with pytest.raises(Invalid) as refused:
        manual_line("Zorblax onboarding", Decimal(quantity), Decimal(unit_price))
    assert refused.value.path == (path,)


@given(st.decimals(-(10**6), 10**6, places=6), st.decimals(-(10**6), 10**6, places=12))
def test_a_discount_mirrors_its_charge(quantity: Decimal, unit_price: Decimal) -> None:
    """A line and its negation cancel exactly, and each is rounded once (M7)."""
    line = manual_line("Zorblax onboarding", quantity, unit_price)
    mirror = manual_line("Zorblax onboarding", quantity, -unit_price)
    assert line.amount == -mirror.amount
    assert line.amount == round_half_away(Fraction(quantity) * Fraction(unit_price))
