"""Chains: read whole and compared, so that tampering behind the program's back shows."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from app.domain.audit import record_hash
from app.domain.chain import ChainedEntry, ChainedTransaction, chain_hash
from app.store.audit import records
from app.store.audit_record import chained
from app.store.query import Query, parameter
from app.store.tenancy import Transaction

_STEP: Final = 1_000
_SEALED: Final = ("sequence", "id", "cause", "description", "effective_at", "created_at")

_LEDGER: Final = Query(
    "select id, last_sequence, head from ledgers where organization_id = :organization_id and name = 'billing'"
)
_TRANSACTIONS: Final = Query(
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
_AUDIT_CHAIN: Final = Query("select last_sequence, head from audit_chains where organization_id = :organization_id")
_AUDIT_RECORDS: Final = records.query(
    records.select(records.c.sequence > parameter("after")).order_by(records.c.sequence).limit(parameter("limit"))
)


@dataclass(frozen=True, slots=True)
class Verification:
    """What walking a chain found; `broken_at` is the first link that does not follow, if any.

    Where the chain ends early (its last links are gone) it is broken without a link to name.
    """

    intact: bool
    links: int
    broken_at: UUID | None
    head: bytes | None


@dataclass(frozen=True, slots=True)
class _Link:
    """A link as it is stored, and what its hash must be after the one before it."""

    sequence: int
    id: UUID
    hash: bytes
    hash_after: Callable[[bytes | None], bytes]


async def verify_ledger(tx: Transaction) -> Verification:
    """Walk the billing ledger's whole chain, 1,000 transactions at a time, and compare every hash."""
    ledger_id, last_sequence, head = await billing_ledger(tx)
    return await _verify(_ledger_links(tx, ledger_id), last_sequence, head)


async def verify_audit(tx: Transaction) -> Verification:
    """Walk the organization's whole chain of audit records likewise."""
    end = await tx.fetch_row(_AUDIT_CHAIN)
    last_sequence, head = (0, None) if end is None else tuple(end)
    return await _verify(_audit_links(tx), last_sequence, head)


async def billing_ledger(tx: Transaction, query: Query[Any] = _LEDGER) -> tuple[UUID, int, bytes | None]:
    """The id, the last sequence and the end of the chain of the organization's billing ledger."""
    row = await tx.fetch_row(query)
    if row is None:
        raise LookupError("The organization has no billing ledger.")
    return row["id"], row["last_sequence"], row["head"]


async def _verify(links: AsyncIterator[_Link], last_sequence: int, head: bytes | None) -> Verification:
    previous: bytes | None = None
    seen = 0
    async for link in links:
        follows = link.sequence == seen + 1 <= last_sequence and link.hash_after(previous) == link.hash
        if not follows:
            return Verification(intact=False, links=seen, broken_at=link.id, head=previous)
        previous, seen = link.hash, seen + 1
    return Verification(seen == last_sequence and previous == head, seen, None, previous)


async def _ledger_links(tx: Transaction, ledger_id: UUID) -> AsyncIterator[_Link]:
    after = 0
    while rows := await tx.fetch(_TRANSACTIONS, ledger_id=ledger_id, after=after, limit=_STEP):
        entries: dict[UUID, list[ChainedEntry]] = {row["id"]: [] for row in rows}
        for record in await tx.fetch(_ENTRIES, transaction_ids=list(entries)):
            entries[record["transaction_id"]].append(ChainedEntry(*tuple(record)[1:]))
        for row in rows:
            sealed = ChainedTransaction(
                **{name: row[name] for name in _SEALED}, ledger_id=ledger_id, entries=entries[row["id"]]
            )
            yield _Link(row["sequence"], row["id"], row["hash"], lambda previous, it=sealed: chain_hash(previous, it))
        after = rows[-1]["sequence"]


async def _audit_links(tx: Transaction) -> AsyncIterator[_Link]:
    after = 0
    while rows := await tx.fetch(_AUDIT_RECORDS, after=after, limit=_STEP):
        for row in rows:
            yield _Link(row.sequence, row.id, row.hash, lambda previous, it=chained(row): record_hash(previous, it))
        after = rows[-1].sequence
