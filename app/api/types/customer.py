"""A billable party."""

from datetime import datetime
from typing import Any

import strawberry

from app.api.ids import CUSTOMER
from app.api.loaders.ledger_entry import BalancesLoader
from app.api.loaders.loader import batched
from app.api.pagination import Connection, PageArguments, Paged
from app.api.scalars import CurrencyCode, Metadata
from app.api.tenancy import Info
from app.api.types.argument import AsOf, KnownAt
from app.api.types.filters import (
    InvoiceFilter,
    InvoiceOrder,
    LedgerEntryFilter,
    SubscriptionFilter,
    invoices_under,
    ledger_entries_under,
    subscriptions_under,
)
from app.api.types.input import given
from app.api.types.money import Address, Money, address_of, as_shown
from app.api.types.node import Node, OrganizationOwned, id_field, owner_field
from app.api.types.reference import InvoiceRef, LedgerEntryRef, OrganizationRef, SubscriptionRef
from app.store.customer import CustomerRow
from app.store.tables import Customer as Row


@strawberry.type(description="A billable party of the organization. Every organization starts with one: itself.")
class Customer(Node, OrganizationOwned):
    """A customer; its values are the store's rows."""

    id: strawberry.ID = id_field(CUSTOMER)
    organization: OrganizationRef = owner_field()
    name: str = strawberry.field(description="Its name.")
    email: str | None = strawberry.field(description="Where bills are sent.")
    external_id: str | None = strawberry.field(description="The id that the organization's own system uses.")
    currency: CurrencyCode = strawberry.field(description="What it pays in.")
    is_default: bool = strawberry.field(description="Whether it is the organization itself.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When it was last changed.")

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        """Whether a value is a customer's row."""
        return isinstance(value, CustomerRow)

    @strawberry.field(description="Its postal address.")
    def address(customer: strawberry.Parent[Row]) -> Address | None:
        """The postal address."""
        return address_of(customer.address)

    @strawberry.field(description="Whatever the organization keeps with it.")
    def metadata(customer: strawberry.Parent[Row]) -> Metadata:
        """The metadata."""
        return Metadata(customer.properties)

    @batched("id", "Its subscriptions, the newest first.", [Paged()])
    def subscriptions(
        info: Info,
        page: PageArguments,
        filter: SubscriptionFilter | None = strawberry.UNSET,
    ) -> Connection[SubscriptionRef]:
        """A page of its subscriptions."""
        return as_shown(subscriptions_under(info, "customer", page, filter))

    @batched("id", "Its invoices, the newest first.", [Paged()])
    def invoices(
        info: Info,
        page: PageArguments,
        filter: InvoiceFilter | None = strawberry.UNSET,
        order_by: InvoiceOrder | None = strawberry.UNSET,
    ) -> Connection[InvoiceRef]:
        """A page of its invoices."""
        return as_shown(invoices_under(info, "customer", page, filter, order_by))

    @batched("id", "Its statement, the newest entry first.", [Paged()])
    def ledger_entries(
        info: Info,
        page: PageArguments,
        filter: LedgerEntryFilter | None = strawberry.UNSET,
    ) -> Connection[LedgerEntryRef]:
        """A page of its statement."""
        return as_shown(ledger_entries_under(info, "customer", page, filter))

    @batched("id", "What is owed, a Money per currency: positive is owed by the customer, negative is credit.")
    def balances(info: Info, as_of: AsOf = strawberry.UNSET, known_at: KnownAt = strawberry.UNSET) -> list[Money]:
        """What it owes, at an instant, as it was known at another."""
        return as_shown(info.context.loaders.get(BalancesLoader, given(as_of), given(known_at)))
