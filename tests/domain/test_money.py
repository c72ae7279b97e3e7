"""Money: exact, symmetric, in the digits of ISO 4217."""

from decimal import Decimal
from fractions import Fraction

import pytest
from babel.numbers import get_currency_precision, list_currencies
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import CurrencyMismatch, Invalid
from app.domain.money import (
    ACTIVE_CURRENCIES,
    ISO_DIGITS_UNLIKE_CLDR,
    MINOR_MAX,
    WITHDRAWN_CURRENCIES,
    Money,
    decimals_of,
    exact_decimals,
    figure,
    is_currency,
    is_plain,
    minor_digits,
    minor_from_exact,
    plain,
    round_half_away,
    split_by_largest_remainder,
)

AMOUNTS = st.integers(-MINOR_MAX, MINOR_MAX)
EXACT = st.fractions(-(10**9), 10**9, max_denominator=10**6)


# ---------------------------------------------------------------- arithmetic


def test_adds_subtracts_and_mirrors() -> None:
    """Amounts of one currency add, subtract and mirror."""
    assert Money(9900, "USD") + Money(100, "USD") == Money(10_000, "USD")
    assert Money(100, "USD") - Money(9900, "USD") == Money(-9800, "USD")
    assert -Money(9900, "USD") == Money(-9900, "USD")
    assert Money.zero("JPY") == Money(0, "JPY")


def test_refuses_two_currencies() -> None:
    """Dollars and euros neither add nor subtract: they are refused, never converted."""
    with pytest.raises(CurrencyMismatch):
        Money(1, "USD") + Money(1, "EUR")
    with pytest.raises(CurrencyMismatch):
        Money(1, "USD") - Money(1, "EUR")


def test_has_no_order() -> None:
    """Money is not ordered: a yen is neither more nor less than a dollar."""
    with pytest.raises(TypeError):
        Money(1, "USD") < Money(2, "JPY")  # noqa: B015  # ty: ignore[unsupported-operator]


@pytest.mark.parametrize("amount", [MINOR_MAX, -MINOR_MAX])
def test_reaches_beyond_32_bits(amount: int) -> None:
    """Amounts reach to 2^53-1 either side of zero and no further (M4)."""
    assert Money(amount, "USD").amount == amount
    with pytest.raises(Invalid):
        Money(amount + (1 if amount > 0 else -1), "USD")


# ---------------------------------------------------------------- digits


@pytest.mark.parametrize(
    ("amount", "currency", "major"),
    [
        (    2999, "USD", "29.99"),
        (    2999, "JPY", "2999"),
        (    2999, "KWD", "2.999"),
        (       5, "EUR", "0.05"),
        (       0, "USD", "0.00"),
        (      -1, "USD", "-0.01"),
        (   12345, "CLF", "1.2345"),
        (    2999, "HUF", "29.99"),
        (    2999, "ISK", "2999"),
        (MINOR_MAX, "USD", "90071992547409.91"),
    ],
)  # fmt: skip
def test_major_units_are_exact(amount: int, currency: str, major: str) -> None:
    """Major units have the currency's own digits: 2, 0, 3 or 4 (M24, D5)."""
    assert str(Money(amount, currency).major()) == major


# ISO 4217 list one of 2026-01-01: every currency whose exponent is not 2.
UNUSUAL_EXPONENTS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}


def test_digits_are_those_of_iso_4217() -> None:
    """Every active currency has ISO 4217's exponent, whatever people print (M24)."""
    expected: dict[str, int] = dict.fromkeys(ACTIVE_CURRENCIES, 2)
    for digits, codes in UNUSUAL_EXPONENTS.items():
        expected |= dict.fromkeys(codes.split(), digits)
    assert {code: minor_digits(code) for code in ACTIVE_CURRENCIES} == expected


def test_every_override_is_needed() -> None:
    """The table of differences holds nothing that CLDR says too."""
    assert all(get_currency_precision(code) != n for code, n in ISO_DIGITS_UNLIKE_CLDR.items())


def test_all_active_currencies_are_known() -> None:
    """165 codes are active; CLDR can name them all but the accounting dinar."""
    assert len(ACTIVE_CURRENCIES) == 165
    assert ACTIVE_CURRENCIES - list_currencies() == {"XAD"}
    assert not ACTIVE_CURRENCIES & WITHDRAWN_CURRENCIES


@pytest.mark.parametrize("code", ["USD", "EUR", "JPY", "KWD", "XAF", "ZWG", "XCG", "VES"])
def test_active_codes_are_currencies(code: str) -> None:
    """An active ISO 4217 code is a currency."""
    assert is_currency(code)


@pytest.mark.parametrize("code", ["", "usd", "US", "USDX", "QQQ", "DEM", "XAU", "XDR", "XXX"])
def test_other_codes_are_none(code: str) -> None:
    """Lower case, unknown and historic codes and what has no minor unit are no currency."""
    assert not is_currency(code)
    with pytest.raises(Invalid) as refused:
        minor_digits(code)
    assert refused.value.path == ("currency",)


def test_a_withdrawn_currency_stays_readable() -> None:
    """What was billed in leva is still shown, though nothing new is billed in them."""
    assert not is_currency("BGN")
    assert Money(2999, "BGN").major() == Decimal("29.99")


# ---------------------------------------------------------------- for people


@pytest.mark.parametrize(
    ("amount", "currency", "locale", "text"),
    [
        (    2999, "USD", "en_US", "$29.99"),
        (    2999, "EUR", "de_DE", "29,99\N{NO-BREAK SPACE}€"),
        (    2999, "EUR", "de-DE", "29,99\N{NO-BREAK SPACE}€"),
        (    2999, "JPY", "en_US", "¥2,999"),
        (   -2999, "USD", "en_US", "-$29.99"),
        (    2999, "KWD", "en_US", "KWD\xa02.999"),
        (    2999, "HUF", "hu_HU", "29,99\N{NO-BREAK SPACE}Ft"),
        (    2900, "RSD", "en_US", "RSD\xa029.00"),
        (    2999, "XAD", "en_US", "XAD\xa029.99"),
        (12345678, "INR", "hi_IN", "₹1,23,456.78"),
        (MINOR_MAX, "USD", "en_US", "$90,071,992,547,409.91"),
    ],
)  # fmt: skip
def test_reads_as_people_write_it(amount: int, currency: str, locale: str, text: str) -> None:
    """An amount is written as people of the locale write it, with all of its ISO digits."""
    assert Money(amount, currency).formatted(locale) == text


@pytest.mark.parametrize("locale", ["", "xx", "zz_ZZ", "not a locale", "en_US/../..", "1", "_"])
def test_refuses_an_unknown_locale(locale: str) -> None:
    """A locale that CLDR lacks is refused; no default takes its place."""
    with pytest.raises(Invalid) as refused:
        Money(2999, "USD").formatted(locale)
    assert refused.value.path == ("locale",)


# ---------------------------------------------------------------- rounding


@pytest.mark.parametrize(
    ("exact", "rounded"),
    [
        ( "0.5",                  1),
        ("-0.5",                 -1),
        ( "2.5",                  3),
        ("-2.5",                 -3),
        ( "0.4999999999999999999", 0),
        ("-0.4999999999999999999", 0),
        ( "654.838709677419",   655),
        ( "9007199254740990.5", MINOR_MAX),
    ],
)  # fmt: skip
def test_rounds_half_away_from_zero(exact: str, rounded: int) -> None:
    """Halves go away from zero on both sides, so a credit mirrors its charge (M7)."""
    assert round_half_away(Decimal(exact)) == rounded
    assert round_half_away(Fraction(exact)) == rounded


@given(EXACT)
def test_rounding_is_symmetric_and_near(exact: Fraction) -> None:
    """Rounding a negative amount mirrors rounding the positive one, and moves by half at most."""
    assert round_half_away(-exact) == -round_half_away(exact)
    assert abs(round_half_away(exact) - exact) <= Fraction(1, 2)


@given(st.decimals(-(10**15), 10**15, places=12))
def test_rounds_decimals_and_fractions_alike(exact: Decimal) -> None:
    """The same number rounds to the same amount, be it a decimal or a fraction."""
    assert round_half_away(exact) == round_half_away(Fraction(exact))


def test_refuses_an_amount_beyond_the_bound() -> None:
    """What would round beyond 2^53-1 is refused at its place in the input."""
    assert minor_from_exact(Decimal(MINOR_MAX)) == MINOR_MAX
    with pytest.raises(Invalid) as refused:
        minor_from_exact(Fraction(2 * MINOR_MAX + 1, 2), "input", "amount")
    assert refused.value.path == ("input", "amount")


# ---------------------------------------------------------------- splitting


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        ( 100, [1, 1, 1],                        [ 34,  33,  33]),
        (-100, [1, 1, 1],                        [-34, -33, -33]),
        ( 101, [1, 1, 1],                        [ 34,  34,  33]),
        (   1, [1, 2, 1],                        [  0,   1,   0]),
        (   0, [3, 4],                           [  0,   0]),
        (   5, [0, 1],                           [  0,   5]),
        (   0, [0, 0],                           [  0,   0]),
        (   0, [],                               []),
        (  10, [Fraction(1, 3), Fraction(2, 3)], [  3,   7]),
    ],
)  # fmt: skip
def test_splits_by_largest_remainder(total: int, weights: list[Fraction | int], parts: list[int]) -> None:
    """The rest goes to the largest remainders, among equals to the first (M7)."""
    assert split_by_largest_remainder(total, weights) == parts


@given(AMOUNTS, st.lists(st.fractions(0, 10**6, max_denominator=1000), min_size=1, max_size=8))
def test_parts_sum_to_their_whole(total: int, weights: list[Fraction]) -> None:
    """Parts sum to their total exactly, each less than 1 off its share; credits mirror charges."""
    weights[0] += 1
    parts = split_by_largest_remainder(total, weights)
    assert sum(parts) == total
    whole = sum(weights)
    assert all(abs(p - total * w / whole) < 1 for p, w in zip(parts, weights, strict=True))
    assert split_by_largest_remainder(-total, weights) == [-part for part in parts]


@pytest.mark.parametrize("weights", [[], [0, 0], [2, -1]])
def test_refuses_weights_that_split_nothing(weights: list[int]) -> None:
    """A total cannot be split by nothing, nor by a negative weight."""
    with pytest.raises(ValueError, match="weights"):
        split_by_largest_remainder(100, weights)


# ---------------------------------------------------------------- decimals


@pytest.mark.parametrize(
    ("exact", "decimal", "is_exact"),
    [
        (Fraction(1, 3),          "0.333333333333",    False),
        (Fraction(-2, 3),         "-0.666666666667",   False),
        (Fraction(20300, 31),     "654.838709677419",  False),
        (Fraction(1, 2**13),      "0.000122070313",    False),
        (Fraction(1, 8),          "0.125",             True),
        (Fraction(500),           "500",               True),
    ],
)  # fmt: skip
def test_a_fraction_is_written_to_12_decimals(exact: Fraction, decimal: str, is_exact: bool) -> None:
    """A fraction is written exactly or to 12 decimals, and which of the two can be told."""
    assert str(plain(exact)) == decimal
    assert is_plain(exact) is is_exact


@pytest.mark.parametrize(
    ("number", "written", "text", "decimals"),
    [
        ("500.00",             "500",            "500",            0),
        ("5E+4",               "50000",          "50,000",         0),
        ("-0.0",               "0",              "0",              0),
        ("0.000000150000",     "1.5E-7",         "0.00000015",     8),
        ("1234567.890",        "1234567.89",     "1,234,567.89",   2),
        ("0.1000000000001",    "0.1000000000001", "0.1000000000001", 13),
    ],
)  # fmt: skip
def test_a_number_is_written_plainly(number: str, written: str, text: str, decimals: int) -> None:
    """Numbers lose trailing zeros and exponents, and nothing else."""
    assert str(plain(Decimal(number))) == written
    assert figure(Decimal(number)) == text
    assert decimals_of(Decimal(number)) == decimals


def test_exact_arithmetic_refuses_to_round() -> None:
    """Inside exact arithmetic a third is refused, and what 28 digits cannot hold is exact."""
    with exact_decimals():
        assert Decimal(10**30) + Decimal("1E-12") == Decimal(f"1{'0' * 30}.{'0' * 11}1")
    with pytest.raises(Invalid), exact_decimals():
        Decimal(1) / 3
    with pytest.raises(Invalid), exact_decimals():
        Decimal("1E-999999") * 3
