"""Names for types that refer to each other in circles."""

from typing import TYPE_CHECKING, Annotated

import strawberry

if TYPE_CHECKING:
    from app.api.types.customer import Customer
    from app.api.types.invoice import Invoice
    from app.api.types.ledger_entry import LedgerEntry
    from app.api.types.meter import Meter
    from app.api.types.organization import Organization
    from app.api.types.plan import Plan
    from app.api.types.subscription import Subscription

OrganizationRef = Annotated["Organization", strawberry.lazy("app.api.types.organization")]
CustomerRef = Annotated["Customer", strawberry.lazy("app.api.types.customer")]
MeterRef = Annotated["Meter", strawberry.lazy("app.api.types.meter")]
PlanRef = Annotated["Plan", strawberry.lazy("app.api.types.plan")]
SubscriptionRef = Annotated["Subscription", strawberry.lazy("app.api.types.subscription")]
InvoiceRef = Annotated["Invoice", strawberry.lazy("app.api.types.invoice")]
LedgerEntryRef = Annotated["LedgerEntry", strawberry.lazy("app.api.types.ledger_entry")]
