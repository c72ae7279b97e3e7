"""A ledger's chain: read whole and compared, so that tampering behind the program's back shows."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from app.domain.chain import ChainedEntry, ChainedTransaction, chain_hash
from app.store.query import Query
from app.store.tenancy import Transaction

_STEP: Final = 1_000
_SEALED: Final = ("sequence", "id", "cause", "description", "effective_at", "created_at")

_LEDGER: Final = Query(
    "select id, last_sequence, head from ledgers where organization_id = :organization_id and name = 'billing'"
)
_CHAIN: Final = Query(
    """
    select sequence, id, cause, description, effective_at, created_at, hash from ledger_transactions
    where organization_id = :organization_id and ledger_id = :ledger_id and sequence > :after
    order by sequence limit :limit
    """
)
_ENTRIES: Final = Query(
    """
    select transaction_id, id, account_id, customer_id, invoice_id, sequence, type, description, debit_minor,
           credit_minor, currency, running_balance_minor, external_reference, effective_at, created_at
    from ledger_entries
    where organization_id = :organization_id and transaction_id = any(:transaction_ids ::uuid[])
    """
)


@dataclass(frozen=True, slots=True)
class Verification:
    """What walking a ledger's chain found; `broken_at` is the first transaction that does not follow, if any.

    Where the chain ends early (its last transactions are gone) it is broken without a transaction to name.
    """

    intact: bool
    transactions: int
    broken_at: UUID | None
    head: bytes | None


async def verify_ledger(tx: Transaction) -> Verification:
    """Walk the billing ledger's whole chain, 1,000 transactions at a time, and compare every hash."""
    ledger_id, last_sequence, head = await billing_ledger(tx)
    previous: bytes | None = None
    seen = 0
    while rows := await tx.fetch(_CHAIN, ledger_id=ledger_id, after=seen, limit=_STEP):
        entries: dict[UUID, list[ChainedEntry]] = {row["id"]: [] for row in rows}
        for record in await tx.fetch(_ENTRIES, transaction_ids=list(entries)):
            entries[record["transaction_id"]].append(ChainedEntry(*tuple(record)[1:]))
        for row in rows:
            sealed = ChainedTransaction(
                **{name: row[name] for name in _SEALED}, ledger_id=ledger_id, entries=entries[row["id"]]
            )
            if row["sequence"] != seen + 1 or chain_hash(previous, sealed) != row["hash"]:
                return Verification(intact=False, transactions=seen, broken_at=row["id"], head=previous)
            previous, seen = row["hash"], seen + 1
    return Verification(seen == last_sequence and previous == head, seen, None, previous)


async def billing_ledger(tx: Transaction, query: Query[Any] = _LEDGER) -> tuple[UUID, int, bytes | None]:
    """The id, the last sequence and the end of the chain of the organization's billing ledger."""
    row = await tx.fetch_row(query)
    if row is None:
        raise LookupError("The organization has no billing ledger.")
    return row["id"], row["last_sequence"], row["head"]
