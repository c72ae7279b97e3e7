"""ledgerAdjust."""

from datetime import datetime

import strawberry

from app.api.ids import CUSTOMER, INVOICE, optional_uuid_of
from app.api.loaders.ledger_entry import LedgerEntryLoader
from app.api.mutations.payload import Change, Payload, left_out, result
from app.api.permission import Writes
from app.api.scalars import CurrencyCode, MinorUnits
from app.api.tenancy import Info
from app.api.types.input import given
from app.api.types.ledger_entry import LedgerEntry
from app.operations.ledger.adjust import Adjustment, adjust_ledger


@strawberry.input(description="A correction of what a customer owes.")
class LedgerAdjustInput(Change):
    """An adjustment."""

    customer_id: strawberry.ID | None = left_out("The default customer where it is left out.")
    amount: MinorUnits = strawberry.field(description="Positive raises what is owed, negative lowers it; never 0.")
    currency: CurrencyCode = strawberry.field(description="Of the amount.")
    description: str = strawberry.field(description="What it says to the customer.")
    invoice_id: strawberry.ID | None = left_out("The invoice that it belongs to.")
    effective_at: datetime | None = left_out("When it counts: now where it is left out.")
    external_reference: str | None = left_out("What the outside world calls it.")


@strawberry.type(description="What came of an adjustment.")
class LedgerEntryPayload(Payload):
    """An entry, or why not."""

    ledger_entry: LedgerEntry | None = result("The entry on the customer's statement.")


@strawberry.type
class LedgerMutations:
    """What can be done to the ledger."""

    @strawberry.mutation(
        extensions=[Writes("ledger:adjust")],
        description="Posts an ADJUSTMENT to a customer's statement: how a mistake is corrected.",
    )
    async def ledger_adjust(self, info: Info, input: LedgerAdjustInput) -> LedgerEntryPayload:
        """Adjust what is owed."""
        adjustment = Adjustment(
            customer_id=optional_uuid_of(CUSTOMER, given(input.customer_id)),
            amount=input.amount,
            currency=input.currency,
            description=input.description,
            invoice_id=optional_uuid_of(INVOICE, given(input.invoice_id)),
            effective_at=given(input.effective_at),
            external_reference=given(input.external_reference),
        )
        entry_id = await adjust_ledger(info.context.db, adjustment)
        entry = await info.context.loaders.get(LedgerEntryLoader).load(entry_id)
        return LedgerEntryPayload(ledger_entry=entry)
