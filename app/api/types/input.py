"""What comes in: a value that was left out, a value that is null."""

from collections.abc import Mapping
from typing import Any, TypeVar

import strawberry

from app.api.types.money import AddressInput
from app.domain.text import optional_text

Value = TypeVar("Value")


def given(value: Value | None) -> Value | None:
    """The value, where left out and null are the same."""
    return None if value is strawberry.UNSET else value


def address_document(address: AddressInput | None) -> dict[str, Any] | None:
    """An address as it is stored, clean. Raises Invalid."""
    found = given(address)
    if found is None:
        return None
    parts: dict[str, Any] = {
        name: optional_text(given(getattr(found, name)), "address", camel)
        for name, camel in (
            ("line1", "line1"),
            ("line2", "line2"),
            ("city", "city"),
            ("region", "region"),
            ("postal_code", "postalCode"),
        )
    }
    return parts | {"country": found.country}


def changes(source: object, cleaners: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that an update names, each cleaned; what was left out is not in it."""
    return {
        name: clean(getattr(source, name))
        for name, clean in cleaners.items()
        if getattr(source, name) is not strawberry.UNSET
    }
