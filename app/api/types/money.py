"""Money, periods and addresses."""

from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Annotated, Any

import strawberry

from app.api.scalars import CountryCode, CurrencyCode, MinorUnits
from app.domain import money as domain
from app.domain.period import Period as DomainPeriod


@strawberry.type(description="An amount in one currency.")
class Money:
    """An amount in one currency; its values are `domain.money.Money`."""

    amount: MinorUnits = strawberry.field(description="In the currency's smallest unit.")
    currency: CurrencyCode = strawberry.field(description="ISO 4217.")

    @strawberry.field(description='Major units as an exact decimal: "29.99".')
    def decimal(money: strawberry.Parent[domain.Money]) -> Decimal:
        """In major units."""
        return money.major()

    @strawberry.field(description="For people: $29.99, 29,99 €, ¥2,999.")
    def formatted(
        money: strawberry.Parent[domain.Money],
        locale: Annotated[str, strawberry.argument(description="Language and country: en_US, de-DE.")] = "en_US",
    ) -> str:
        """As people of a locale write it."""
        return money.formatted(locale)


@strawberry.type(description="Half-open: start is inside, end is not.")
class Period:
    """A span of time; its values are `domain.period.Period`."""

    start: datetime = strawberry.field(description="The first instant inside.")
    end: datetime = strawberry.field(description="The first instant after.")


@strawberry.input(description="Half-open: start is inside, end is not.")
class PeriodInput:
    """A span of time as it comes in."""

    start: datetime = strawberry.field(description="The first instant inside.")
    end: datetime = strawberry.field(description="The first instant after; not before start.")

    def to_domain(self) -> DomainPeriod:
        """The period. Raises Invalid where it ends before it begins."""
        return DomainPeriod(self.start, self.end)


@strawberry.type(description="A postal address.")
class Address:
    """A postal address, stored as a document with these keys."""

    line1: str | None = strawberry.field(description="Street and number.")
    line2: str | None = strawberry.field(description="Flat, floor, company.")
    city: str | None = strawberry.field(description="City or town.")
    region: str | None = strawberry.field(description="State, province, county.")
    postal_code: str | None = strawberry.field(description="Postal code or ZIP.")
    country: CountryCode = strawberry.field(description="ISO 3166-1 alpha-2.")


@strawberry.input(description="A postal address.")
class AddressInput:
    """A postal address as it comes in."""

    line1: str | None = strawberry.field(default=strawberry.UNSET, description="Street and number.")
    line2: str | None = strawberry.field(default=strawberry.UNSET, description="Flat, floor, company.")
    city: str | None = strawberry.field(default=strawberry.UNSET, description="City or town.")
    region: str | None = strawberry.field(default=strawberry.UNSET, description="State, province, county.")
    postal_code: str | None = strawberry.field(default=strawberry.UNSET, description="Postal code or ZIP.")
    country: CountryCode = strawberry.field(description="ISO 3166-1 alpha-2.")


def money_field(amount: str, description: str) -> Any:
    """A field that is an amount of minor units of its parent, in its parent's currency."""
    amount_of = attrgetter(amount)

    def resolve(row: strawberry.Parent[Any]):  # noqa: ANN202 - the field's annotation is its type
        return money(amount_of(row), row.currency)

    return strawberry.field(
        resolver=resolve, description=description, metadata={"embeds": {"amount": amount, "currency": "currency"}}
    )


def period_field(start: str, end: str, description: str) -> Any:
    """A field that is a span of time between two instants of its parent; null where one of them is."""
    bounds_of = attrgetter(start, end)

    def resolve(row: strawberry.Parent[Any]):  # noqa: ANN202 - the field's annotation is its type
        bounds = bounds_of(row)
        return None if None in bounds else DomainPeriod(*bounds)

    return strawberry.field(
        resolver=resolve, description=description, metadata={"embeds": {"start": start, "end": end}}
    )


def as_shown(value: object) -> Any:
    """A domain value or a row in the place of the schema's type, whose fields read it by attribute."""
    return value


def address_of(document: dict[str, Any] | None) -> Address | None:
    """The address that was stored."""
    return None if document is None else Address(**document)


def money(amount: int, currency: str) -> Money:
    """An amount of minor units as the schema's Money; its value is the domain's."""
    return as_shown(domain.Money(amount, currency))
