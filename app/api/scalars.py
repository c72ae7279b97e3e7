"""The contract's scalars. Each refuses in one clear sentence what it cannot take exactly."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal as PythonDecimal
from functools import cache
from typing import Any, Final, NewType
from zoneinfo import available_timezones

import strawberry
from graphql import IntValueNode, StringValueNode, ValueNode, print_ast

from app.domain.money import MINOR_MAX, is_currency
from app.domain.period import shown
from app.domain.text import METADATA_KEY_MAX, METADATA_KEYS_MAX, METADATA_VALUE_MAX

MinorUnits = NewType("MinorUnits", int)
CurrencyCode = NewType("CurrencyCode", str)
CountryCode = NewType("CountryCode", str)
TimeZone = NewType("TimeZone", str)
Metadata = NewType("Metadata", dict[str, str])
Properties = NewType("Properties", dict[str, Any])

_INSTANT: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})\Z"
)
_DECIMAL: Final = re.compile(r"-?[0-9]{1,24}(\.[0-9]{1,24})?\Z")
INSTANT_MIN: Final = datetime(1000, 1, 1, tzinfo=UTC)
INSTANT_MAX: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""PostgreSQL's driver reads the ends of Python's calendar as minus and plus infinity."""
PROPERTY_MAX: Final = 2**63 - 1
_COUNTRY: Final = re.compile(r"[A-Z]{2}\Z")


def parsed_instant(value: Any) -> datetime:
    """An RFC 3339 instant with its zone, in UTC."""
    if not isinstance(value, str) or not _INSTANT.match(value):
        raise ValueError('Give an instant with its zone, such as "2026-05-20T00:00:00Z".')
    try:
        instant = datetime.fromisoformat(value.upper().replace("Z", "+00:00")).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("There is no such instant: the calendar has no such day or hour.") from error
    if not INSTANT_MIN <= instant <= INSTANT_MAX:
        raise ValueError("Give an instant in the years 1000 to 9999.")
    return instant


def parsed_decimal(value: Any) -> PythonDecimal:
    """An exact decimal from a string or a JSON integer; a float would not be exact."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**24 else ""
    if not isinstance(value, str) or not _DECIMAL.match(value):
        raise ValueError('Give a decimal as a string, such as "0.0015": digits, no exponent, at most 24 on each side.')
    return PythonDecimal(value)


def shown_decimal(value: PythonDecimal | int) -> str:
    """The decimal without exponent."""
    return f"{value:f}" if isinstance(value, PythonDecimal) else str(value)


def parsed_minor_units(value: Any) -> int:
    """A JSON integer within |x| <= 2^53-1."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("Give a whole number of minor units (cents for USD), without a fraction.")
    if abs(value) > MINOR_MAX:
        raise ValueError("Give an amount between -(2^53-1) and 2^53-1.")
    return value


def parsed_currency(value: Any) -> str:
    """An ISO 4217 code that is in use."""
    if not isinstance(value, str) or not is_currency(value):
        raise ValueError('Give an ISO 4217 currency code in upper case, such as "USD".')
    return value


def parsed_country(value: Any) -> str:
    """An ISO 3166-1 alpha-2 code, by its form."""
    if not isinstance(value, str) or not _COUNTRY.match(value):
        raise ValueError('Give an ISO 3166-1 alpha-2 country code in upper case, such as "DE".')
    return value


def parsed_time_zone(value: Any) -> str:
    """A name of the IANA time zone database."""
    if not isinstance(value, str) or value not in _time_zones():
        raise ValueError('Give an IANA time zone name, such as "Europe/Berlin".')
    return value


def parsed_metadata(value: Any) -> dict[str, str]:
    """A flat map of strings to strings."""
    if not isinstance(value, dict) or len(value) > METADATA_KEYS_MAX:
        raise ValueError(f"Give a map of at most {METADATA_KEYS_MAX} keys.")
    for name, content in value.items():
        if not isinstance(content, str):
            raise ValueError(f'Metadata values are strings: "{name[:40]}" is not.')
        if not 1 <= len(name) <= METADATA_KEY_MAX or len(content) > METADATA_VALUE_MAX:
            raise ValueError(f"Keys have 1 to {METADATA_KEY_MAX} characters, values at most {METADATA_VALUE_MAX:,}.")
    return value


def parsed_properties(value: Any) -> dict[str, Any]:
    """A flat map of strings to strings, numbers and booleans."""
    if not isinstance(value, dict) or len(value) > METADATA_KEYS_MAX:
        raise ValueError(f"Give a map of at most {METADATA_KEYS_MAX} properties.")
    for name, content in value.items():
        if not isinstance(content, str | int | float | bool):
            raise ValueError(f'Properties are strings, numbers and booleans: "{name[:40]}" is not.')
        if not isinstance(content, str) and not abs(content) <= PROPERTY_MAX:
            raise ValueError(f'Numbers lie between -(2^63-1) and 2^63-1: "{name[:40]}" does not.')
        if not 1 <= len(name) <= METADATA_KEY_MAX or (isinstance(content, str) and len(content) > METADATA_VALUE_MAX):
            raise ValueError(f"Keys have 1 to {METADATA_KEY_MAX} characters, values at most {METADATA_VALUE_MAX:,}.")
    return value


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones() - {"localtime", "Factory"})


def _exact_literal(parse: Callable[[Any], Any]) -> Callable[..., Any]:
    """Read a number in a document by its text, so that no float comes between."""

    def parse_literal(node: ValueNode, _variables: dict[str, Any] | None = None) -> Any:
        match node:
            case StringValueNode():
                return parse(node.value)
            case IntValueNode():
                return parse(int(node.value) if len(node.value) < 40 else node.value)
            case _:
                return parse(float("nan") if parse is parsed_minor_units else print_ast(node) + " ")

    return parse_literal


SCALARS: Final[dict[object, Any]] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="An instant, RFC 3339, always rendered in UTC with a Z.",
        serialize=shown,
        parse_value=parsed_instant,
    ),
    PythonDecimal: strawberry.scalar(
        name="Decimal",
        description='An exact decimal number, sent as a string: "0.000000150000".',
        serialize=shown_decimal,
        parse_value=parsed_decimal,
        parse_literal=_exact_literal(parsed_decimal),
    ),
    MinorUnits: strawberry.scalar(
        name="MinorUnits",
        description=(
            "An amount in the smallest unit of its currency (cents for USD, yen for JPY), sent as a JSON integer"
            " between -(2^53-1) and 2^53-1."
        ),
        serialize=int,
        parse_value=parsed_minor_units,
        parse_literal=_exact_literal(parsed_minor_units),
    ),
    CurrencyCode: strawberry.scalar(
        name="CurrencyCode",
        description="ISO 4217 alphabetic code, upper case.",
        serialize=str,
        parse_value=parsed_currency,
    ),
    CountryCode: strawberry.scalar(
        name="CountryCode",
        description="ISO 3166-1 alpha-2 code, upper case.",
        serialize=str,
        parse_value=parsed_country,
    ),
    TimeZone: strawberry.scalar(
        name="TimeZone", description="IANA time zone name.", serialize=str, parse_value=parsed_time_zone
    ),
    Metadata: strawberry.scalar(
        name="Metadata",
        description=(
            "A flat map of string keys (at most 50, of 100 characters each) to string values (2,000 characters each)."
        ),
        serialize=dict,
        parse_value=parsed_metadata,
    ),
    Properties: strawberry.scalar(
        name="Properties",
        description="A measured property map of a usage event: string keys to string, number or boolean values.",
        serialize=dict,
        parse_value=parsed_properties,
    ),
}
