"""The statement and what is owed."""

import strawberry

from app.api.pagination import Connection, PageArguments, Paged, connection_of
from app.api.permission import Reads
from app.api.tenancy import Info
from app.api.types.argument import AsOf, KnownAt
from app.api.types.filters import LedgerEntryFilter, ledger_entry_list
from app.api.types.input import given
from app.api.types.ledger_entry import LedgerEntry
from app.api.types.money import Money, money
from app.store.balance import load_total_balances
from app.store.ledger import listing


@strawberry.type
class LedgerQueries:
    """Entries and balances."""

    @strawberry.field(
        extensions=[Reads("ledger:read"), Paged()],
        description="The entries of every customer's statement, the newest first.",
    )
    async def ledger_entries(
        self,
        info: Info,
        page: PageArguments,
        filter: LedgerEntryFilter | None = strawberry.UNSET,
    ) -> Connection[LedgerEntry]:
        """A page of entries."""
        return await connection_of(info, listing, ledger_entry_list(page, filter))

    @strawberry.field(
        extensions=[Reads("ledger:read")],
        description=(
            "What is owed to the organization, a Money per currency, at an instant (asOf) as it was known at another"
            " (knownAt)."
        ),
    )
    async def balances(
        self,
        info: Info,
        as_of: AsOf = strawberry.UNSET,
        known_at: KnownAt = strawberry.UNSET,
    ) -> list[Money]:
        """What all customers owe together."""
        tx = await info.context.db.snapshot()
        rows = await load_total_balances(tx, given(as_of), given(known_at))
        return [money(amount, currency) for currency, amount in rows]
