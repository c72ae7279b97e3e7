"""What is left of a customer who was erased, and what keeps one from being erased."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

ERASED_NAME: Final = "Erased customer"
ERASED: Final = "[erased]"
"""Stands in a stored answer where a personal value was."""

SHORTEST: Final = 3
"""A value that is shorter, such as a country, names nobody, and stands in too many answers that are not about them."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a customer is part of: how many of each."""

    live_subscriptions: int
    drafts: int
    open_invoices: int
    balances: int

    @property
    def obstacles(self) -> list[str]:
        """What has to be ended before the customer can be erased, in words."""
        found = {
            "subscriptions that are not over": self.live_subscriptions,
            "drafts": self.drafts,
            "invoices that are not paid": self.open_invoices,
            "balances that are not 0": self.balances,
        }
        return [f"{words} ({count})" for words, count in found.items() if count]


def personal_values(customer: Any) -> list[str]:
    """The texts that say who a customer is: name, e-mail, external id, and what is in the address and the metadata."""
    parts = [customer.name, customer.email, customer.external_id]
    parts += [*(customer.address or {}).values(), *customer.properties.values()]
    return sorted({part for part in parts if isinstance(part, str) and len(part) >= SHORTEST})


def without_values(content: Any, values: Sequence[str]) -> Any:
    """A stored answer without these texts, in whatever place they stand."""
    match content:
        case str():
            return ERASED if content in values else content
        case Mapping():
            return {name: without_values(value, values) for name, value in content.items()}
        case list():
            return [without_values(value, values) for value in content]
        case _:
            return content
