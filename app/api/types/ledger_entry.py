"""A line of a customer's statement."""

from datetime import datetime
from typing import Any

import strawberry

from app.api.ids import LEDGER_ENTRY
from app.api.loaders.customer import CustomerLoader
from app.api.loaders.invoice import InvoiceLoader
from app.api.loaders.loader import loaded
from app.api.types.enums import LedgerEntryType
from app.api.types.money import Money, money, money_field
from app.api.types.node import Node, OrganizationOwned, id_field, owner_field
from app.api.types.reference import CustomerRef, InvoiceRef, OrganizationRef
from app.store.ledger import LedgerEntryRow
from app.store.tables import LedgerEntry as Row


@strawberry.type(
    description=(
        "One line of a customer's statement. It is never changed and never deleted; a mistake is corrected by an"
        " ADJUSTMENT."
    )
)
class LedgerEntry(Node, OrganizationOwned):
    """An entry; its values are the store's rows."""

    id: strawberry.ID = id_field(LEDGER_ENTRY)
    organization: OrganizationRef = owner_field()
    customer: CustomerRef = loaded(CustomerLoader, "customer_id", "Whose statement it is on.")
    invoice: InvoiceRef | None = loaded(InvoiceLoader, "invoice_id", "What it belongs to, if to an invoice.")
    type: LedgerEntryType = strawberry.field(description="What it is.")
    debit: Money = money_field("debit_minor", "What it adds to what is owed.")
    credit: Money = money_field("credit_minor", "What it takes off what is owed.")
    description: str = strawberry.field(description="What it says to the customer.")
    external_reference: str | None = strawberry.field(description="What the outside world calls it.")
    effective_at: datetime = strawberry.field(description="When it counts.")
    created_at: datetime = strawberry.field(description="When it was recorded.")

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        """Whether a value is an entry's row."""
        return isinstance(value, LedgerEntryRow)

    @strawberry.field(description="The customer's balance in this currency once this entry is counted.")
    def running_balance(entry: strawberry.Parent[Row]) -> Money:
        """The balance after it, in the order of recording."""
        return money(entry.running_balance_minor or 0, entry.currency)
