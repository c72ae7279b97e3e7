"""Values as clients write them in JSON, wherever they come in; a ValueError says in one sentence what is wrong."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from app.domain.text import METADATA_KEY_MAX, METADATA_KEYS_MAX, METADATA_VALUE_MAX

_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})\Z"
)
_DECIMAL: Final = re.compile(r"-?[0-9]{1,24}(?:\.[0-9]{1,24})?\Z")
INSTANT_MIN: Final = datetime(1000, 1, 1, tzinfo=UTC)
INSTANT_MAX: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""PostgreSQL's driver reads the ends of Python's calendar as minus and plus infinity."""
PROPERTY_MAX: Final = 2**63 - 1
_NUMBER: Final = (int, float)
"""Booleans are integers here."""


def parsed_instant(value: Any) -> datetime:
    """An RFC 3339 instant with its zone, in UTC."""
    if not isinstance(value, str) or not _INSTANT.match(value):
        raise ValueError('Give an instant with its zone, such as "2026-05-20T00:00:00Z".')
    try:
        instant = datetime.fromisoformat(value if value.endswith("Z") else value.upper())
        if instant.tzinfo is not UTC:
            instant = instant.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("There is no such instant: the calendar has no such day or hour.") from error
    if not INSTANT_MIN <= instant <= INSTANT_MAX:
        raise ValueError("Give an instant in the years 1000 to 9999.")
    return instant


def parsed_decimal(value: Any) -> Decimal:
    """An exact decimal from a string or a JSON integer; a float would not be exact."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**24 else ""
    if not isinstance(value, str) or not _DECIMAL.match(value):
        raise ValueError('Give a decimal as a string, such as "0.0015": digits, no exponent, at most 24 on each side.')
    return Decimal(value)


def parsed_properties(value: Any) -> dict[str, Any]:
    """A flat map of strings to strings, numbers and booleans."""
    if not isinstance(value, dict) or len(value) > METADATA_KEYS_MAX:
        raise ValueError(f"Give a map of at most {METADATA_KEYS_MAX} properties.")
    for name, content in value.items():
        if isinstance(content, str):
            fits = len(content) <= METADATA_VALUE_MAX
        elif not isinstance(content, _NUMBER):
            raise ValueError(f'Properties are strings, numbers and booleans: "{name[:40]}" is not.')
        elif not -PROPERTY_MAX <= content <= PROPERTY_MAX:
            raise ValueError(f'Numbers lie between -(2^63-1) and 2^63-1: "{name[:40]}" does not.')
        else:
            fits = True
        if not fits or not 1 <= len(name) <= METADATA_KEY_MAX:
            raise ValueError(f"Keys have 1 to {METADATA_KEY_MAX} characters, values at most {METADATA_VALUE_MAX:,}.")
    return value
