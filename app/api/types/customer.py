"""A billable party."""

from datetime import datetime
from typing import Any

import strawberry

from app.api.ids import CUSTOMER
from app.api.loaders.ledger_entry import BalancesLoader
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
from app.api.types.money import Address, Money, address_of
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

    @strawberry.field(description="Its subscriptions, the newest first.", extensions=[Paged()])
    async def subscriptions(
        customer: strawberry.Parent[Row],
        info: Info,
        page: PageArguments,
        filter: SubscriptionFilter | None = strawberry.UNSET,
    ) -> Connection[SubscriptionRef]:
        """A page of its subscriptions."""
        return await subscriptions_under(info, "customer", customer.id, page, filter)

    @strawberry.field(description="Its invoices, the newest first.", extensions=[Paged()])
    async def invoices(
        customer: strawberry.Parent[Row],
        info: Info,
        page: PageArguments,
        filter: InvoiceFilter | None = strawberry.UNSET,
        order_by: InvoiceOrder | None = strawberry.UNSET,
    ) -> Connection[InvoiceRef]:
        """A page of its invoices."""
        return await invoices_under(info, "customer", customer.id, page, filter, order_by)

    @strawberry.field(description="Its statement, the newest entry first.", extensions=[Paged()])
    async def ledger_entries(
        customer: strawberry.Parent[Row],
        info: Info,
        page: PageArguments,
        filter: LedgerEntryFilter | None = strawberry.UNSET,
    ) -> Connection[LedgerEntryRef]:
        """A page of its statement."""
        return await ledger_entries_under(info, "customer", customer.id, page, filter)

    @strawberry.field(
        description="What is owed, a Money per currency: positive is owed by the customer, negative is credit."
    )
    async def balances(
        customer: strawberry.Parent[Row],
        info: Info,
        as_of: AsOf = strawberry.UNSET,
        known_at: KnownAt = strawberry.UNSET,
    ) -> list[Money]:
        """What it owes, at an instant, as it was known at another."""
        loader = info.context.loaders.get(BalancesLoader, given(as_of), given(known_at))
        return await loader.load(customer.id)
