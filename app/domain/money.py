"""Money: whole minor units of a currency, the one rounding, the split that sums to its whole."""

import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from decimal import (
    ROUND_HALF_UP,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    localcontext,
)
from fractions import Fraction
from typing import Self

from babel import Locale, UnknownLocaleError
from babel.numbers import get_currency_precision

from app.domain.errors import CurrencyMismatch, Invalid

MINOR_MAX = 2**53 - 1
"""The largest amount either side of zero: what every JSON reader holds exactly."""

DECIMALS_MAX = 12
"""Of a unit price and of a quantity in a price; also how far a fraction is written out."""

# ISO 4217 list one as published on 2026-01-01, without the codes that have no minor unit (metals,
# XDR, XTS and their like). Kept here and not derived from CLDR, which knows tender and not the
# standard: it lacks the funds codes and XAD.
ACTIVE_CURRENCIES = frozenset(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BOV BRL BSD BTN BWP
    BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN
    ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK
    JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD
    MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP
    PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP
    SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV
    WST XAD XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
    """.split()  # noqa: SIM905 - a table that can be read
)

# Withdrawn since 2023: not for anything new, but what was billed in them stays readable. A code
# leaves the list above only for this one.
WITHDRAWN_CURRENCIES = frozenset({"ANG", "BGN", "CUC", "HRK", "SLL", "ZWL"})

# CLDR says how many digits people print: none for coins that inflation ate. ISO 4217 says how many
# there are, and that is what banks count in. These are all the currencies in which the two differ.
ISO_DIGITS_UNLIKE_CLDR = {
    "AFN": 2,
    "ALL": 2,
    "IQD": 3,
    "IRR": 2,
    "KPW": 2,
    "LAK": 2,
    "LBP": 2,
    "MGA": 2,
    "MMK": 2,
    "RSD": 2,
    "SLL": 2,
    "SOS": 2,
    "SYP": 2,
    "YER": 2,
}

_MINOR_DIGITS = {
    code: ISO_DIGITS_UNLIKE_CLDR.get(code, get_currency_precision(code))
    for code in ACTIVE_CURRENCIES | WITHDRAWN_CURRENCIES
}

_LETTER_AT_DIGIT = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
"""Where CLDR puts a space between a currency's code and the number: KWD 9.902, but $9.90."""

# Far more digits than any product of valid prices and quantities has; what passes them is refused,
# never rounded.
_EXACT = Context(prec=200, Emin=-200, Emax=200, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in minor units of one currency.

    Raises Invalid beyond `MINOR_MAX` either side of zero.
    """

    amount: int
    currency: str

    def __post_init__(self) -> None:
        bounded_minor(self.amount)

    @classmethod
    def zero(cls, currency: str) -> Self:
        """Nothing, in a currency."""
        return cls(0, currency)

    def __add__(self, other: Self) -> Self:
        """The sum. Raises CurrencyMismatch."""
        return type(self)(self.amount + self._same_currency(other).amount, self.currency)

    def __sub__(self, other: Self) -> Self:
        """The difference. Raises CurrencyMismatch."""
        return type(self)(self.amount - self._same_currency(other).amount, self.currency)

    def __neg__(self) -> Self:
        """What mirrors this amount: the credit of a charge."""
        return type(self)(-self.amount, self.currency)

    def major(self) -> Decimal:
        """Major units, exact, with the currency's digits: 2999 USD is 29.99, 2999 JPY is 2999."""
        return Decimal(f"{self.amount}E-{minor_digits(self.currency)}")

    def formatted(self, locale: str) -> str:
        """For people who read `locale` ("de_DE" or "de-DE"): 29,99 €.

        Raises Invalid at "locale" for one that CLDR lacks.
        """
        known = _locale(locale)
        digits = minor_digits(self.currency)
        pattern = copy(known.currency_formats["standard"])
        pattern.frac_prec = (digits, digits)
        text = pattern.apply(self.major(), known, currency=self.currency, currency_digits=False)
        return _LETTER_AT_DIGIT.sub("\N{NO-BREAK SPACE}", str(text))

    def _same_currency(self, other: Self) -> Self:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} do not add up: use one currency.")
        return other


def is_currency(code: str) -> bool:
    """Whether `code` is an active ISO 4217 code, upper case, of a currency that has minor units."""
    return code in ACTIVE_CURRENCIES


def minor_digits(currency: str) -> int:
    """How many decimals the currency's minor unit has: ISO 4217's exponent.

    Raises Invalid at "currency" for what is none.
    """
    try:
        return _MINOR_DIGITS[currency]
    except KeyError:
        raise Invalid(f"{currency} is not a currency: use an ISO 4217 code such as USD.", "currency") from None


def round_half_away(exact: Fraction | Decimal) -> int:
    """The nearest whole number, halves away from zero, so that a credit mirrors its charge (M7)."""
    if isinstance(exact, Decimal):
        return int(exact.to_integral_value(rounding=ROUND_HALF_UP))
    size = (2 * abs(exact.numerator) + exact.denominator) // (2 * exact.denominator)
    return size if exact >= 0 else -size


def minor_from_exact(exact: Fraction | Decimal, *path: str) -> int:
    """The amount that is billed for an exact one, in minor units: the one rounding.

    Raises Invalid beyond `MINOR_MAX`.
    """
    return bounded_minor(round_half_away(exact), *path)


def bounded_minor(amount: int, *path: str) -> int:
    """The amount itself. Raises Invalid where it lies beyond `MINOR_MAX` either side of zero."""
    if abs(amount) > MINOR_MAX:
        raise Invalid(f"An amount lies between -{MINOR_MAX:,} and {MINOR_MAX:,} minor units.", *path)
    return amount


def split_by_largest_remainder(total: int, weights: Sequence[Fraction | int]) -> list[int]:
    """Parts of `total` in proportion to `weights`, that sum to it exactly (Hamilton's method).

    A negative total splits as the mirror of the positive one; equal remainders go to the first.
    Raises ValueError for a negative weight, and where all weights are 0 but the total is not.
    """
    whole = sum(weights)
    if any(weight < 0 for weight in weights) or (whole == 0 and total != 0):
        raise ValueError("weights are 0 or more, and not all 0")
    if whole == 0:
        return [0] * len(weights)
    shares = [Fraction(abs(total) * weight) / whole for weight in weights]
    parts = [int(share) for share in shares]
    by_remainder = sorted(range(len(parts)), key=lambda i: parts[i] - shares[i])
    for i in by_remainder[: abs(total) - sum(parts)]:
        parts[i] += 1
    return parts if total >= 0 else [-part for part in parts]


def plain(exact: Fraction | Decimal) -> Decimal:
    """The number as a decimal without exponent or trailing zeros.

    A decimal stays exact. A fraction is rounded half away from zero to 12 decimals where it needs
    more, as a third does; `is_plain` tells.
    """
    if isinstance(exact, Fraction):
        shifted = round_half_away(exact * 10**DECIMALS_MAX)
        exact = Decimal(f"{shifted}E-{DECIMALS_MAX}")
    text = f"{exact:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return Decimal(text) if exact else Decimal(0)


def is_plain(exact: Fraction) -> bool:
    """Whether `plain` gives the fraction exactly."""
    return Fraction(plain(exact)) == exact


def decimals_of(number: Decimal) -> int:
    """How many decimals a finite number needs: 2 for 1.0100.

    Fast even for 1E-999999999, which nobody should write out.
    """
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int) or exponent >= 0 or not any(digits):
        return 0
    trailing_zeros = next(i for i, digit in enumerate(reversed(digits)) if digit)
    return max(0, -exponent - trailing_zeros)


def figure(number: Decimal | int) -> str:
    """A number as English text writes it: 50,000 or 0.0000015, never with an exponent."""
    return f"{plain(Decimal(number)):,f}"


@contextmanager
def exact_decimals() -> Generator[None]:
    """Inside, decimal arithmetic never rounds.

    Raises Invalid where a number would need more than 200 digits.
    """
    try:
        with localcontext(_EXACT):
            yield
    except (Inexact, InvalidOperation, Overflow) as lost:
        raise Invalid("Too many digits to calculate exactly: use fewer.") from lost


def _locale(name: str) -> Locale:
    try:
        return Locale.parse(name.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        raise Invalid(f'"{name}" is not a known locale: use one such as en_US or de_DE.', "locale") from None
