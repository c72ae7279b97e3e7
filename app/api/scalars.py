"""The contract's scalars. Each refuses in one clear sentence what it cannot take exactly."""

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal as PythonDecimal
from functools import cache
from typing import Any, Final, NewType
from zoneinfo import available_timezones

import strawberry
from graphql import IntValueNode, StringValueNode, ValueNode, print_ast

from app.domain.money import MINOR_MAX, is_currency
from app.domain.period import shown
from app.domain.text import METADATA_KEY_MAX, METADATA_KEYS_MAX, METADATA_VALUE_MAX
from app.domain.written import parsed_decimal, parsed_instant, parsed_properties

MinorUnits = NewType("MinorUnits", int)
CurrencyCode = NewType("CurrencyCode", str)
CountryCode = NewType("CountryCode", str)
TimeZone = NewType("TimeZone", str)
Metadata = NewType("Metadata", dict[str, str])
Properties = NewType("Properties", dict[str, Any])

_COUNTRY: Final = re.compile(r"[A-Z]{2}\Z")


def shown_decimal(value: PythonDecimal | int) -> str:
    """The decimal without exponent."""
    text = str(value)
    return f"{value:f}" if "E" in text else text


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
