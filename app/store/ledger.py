"""The books: postings, and the statement. What they come to is in `balance.py`."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import sqlalchemy as sa

from app.domain.chain import ChainedEntry, ChainedTransaction, chain_hash
from app.domain.errors import InvalidState
from app.domain.ledger import CUSTOMERS_OWN, AccountCode, EntryType, Posting, postings_for
from app.store.account import Accounts
from app.store.chain import billing_ledger
from app.store.page import Listing, newest_first
from app.store.query import Columns, Query, Relation, any_of, columns_of, new_id, parameter
from app.store.tables import Ledger, LedgerEntry, LedgerTransaction
from app.store.tenancy import Transaction, WriteTransaction

BILLING: Final = "billing"
"""The name of the ledger that every organization starts with."""

entries = Relation(LedgerEntry)
LedgerEntryRow = entries.row

_INSERT_LEDGER: Final = Relation(Ledger).insert()
_INSERT_TRANSACTIONS: Final = Relation(LedgerTransaction).insert_many()
_INSERT_ENTRIES: Final = entries.insert_many()

_LOCK_LEDGER: Final = Query(
    """
    select id, last_sequence, head from ledgers
    where organization_id = :organization_id and name = 'billing' for update
    """
)
_END_CHAIN: Final = Query(
    """
    update ledgers set last_sequence = :last_sequence, head = :head
    where organization_id = :organization_id and id = :id
    """
)

_statement = entries.c.customer_id.is_not(None)

_BY_ID: Final = entries.where(_statement, entries.c.id == any_of("ids"))

listing: Final = Listing(
    entries,
    base=entries.select(_statement),
    orders=newest_first(entries, "sequence"),
    filters={
        "type": entries.c.type == any_of("type", sa.Text),
        "customer_id": entries.c.customer_id == parameter("customer_id", sa.Uuid),
        "invoice_id": entries.c.invoice_id == parameter("invoice_id", sa.Uuid),
        "effective_from": entries.c.effective_at >= parameter("effective_from", sa.DateTime(timezone=True)),
        "effective_to": entries.c.effective_at < parameter("effective_to", sa.DateTime(timezone=True)),
    },
    parents={"customer": entries.c.customer_id, "invoice": entries.c.invoice_id},
)


@dataclass(frozen=True, slots=True)
class StatementEntry:
    """What goes onto a customer's statement. `amount` in minor units, above 0 but for ADJUSTMENT.

    `cause` names what it follows from, as in "invoice.finalize:<id>": it is posted once. `kept`, of a PAYMENT or
    CREDIT, is the part of `amount` that nothing was due for; it is an entry of its own, on the customer's credit.
    """

    customer_id: UUID
    type: EntryType
    amount: int
    currency: str
    description: str
    cause: str
    invoice_id: UUID | None = None
    external_reference: str | None = None
    effective_at: datetime | None = None
    kept: int = 0
    kept_description: str | None = None


async def open_billing_ledger(tx: WriteTransaction) -> None:
    """Make the ledger that every organization starts with."""
    await tx.execute(
        _INSERT_LEDGER, id=new_id(), name=BILLING, status="ACTIVE", last_sequence=0, head=None, created_at=tx.now
    )


async def post(tx: WriteTransaction, entry: StatementEntry) -> UUID:
    """Post a balanced transaction and give the id of its entry on the customer's statement: `post_all` of one."""
    (entry_id,) = await post_all(tx, [entry])
    return entry_id


async def post_all(tx: WriteTransaction, posted: Sequence[StatementEntry]) -> list[UUID]:
    """Post a balanced transaction for each, in their order, and give the ids of their (first) entries on statements.

    Seven statements, however many there are. Postings of one ledger follow each other under its row's lock, which
    carries the end of its chain; a customer's receivable carries where the statement stands. Raises Invalid where an
    amount or a balance passes the bounds, InvalidState where a cause was posted before.
    """
    if not posted:
        return []
    plans = [(entry, postings_for(entry.type, entry.amount, entry.kept)) for entry in posted]
    ledger_id, sequence, head = await billing_ledger(tx, _LOCK_LEDGER)
    accounts = Accounts(ledger_id)
    await accounts.find(
        tx,
        [(posting.account, entry.currency, entry.customer_id) for entry, postings in plans for posting in postings],
    )
    chain: list[tuple[ChainedTransaction, bytes]] = []
    for entry, postings in plans:
        sequence += 1
        transaction = _transaction(accounts, entry, postings, sequence, tx.now)
        head = chain_hash(head, transaction)
        chain.append((transaction, head))
    await _store(tx, chain)
    await accounts.move(tx)
    await tx.execute(_END_CHAIN, id=ledger_id, last_sequence=sequence, head=head)
    return [transaction.entries[0].id for transaction, _ in chain]


def _transaction(
    accounts: Accounts, entry: StatementEntry, postings: Sequence[Posting], sequence: int, now: datetime
) -> ChainedTransaction:
    statement = accounts.statements[entry.customer_id, entry.currency]
    # A statement is recorded in order: where a TEST clock stands before its last entry, it waits for it.
    statement.last_posted_at = created_at = max(statement.last_posted_at, now)
    written = []
    for posting in postings:
        own = posting.account in CUSTOMERS_OWN
        if own:
            statement.extend(posting.debit - posting.credit)
        kept = posting.account is AccountCode.CUSTOMER_CREDIT
        written.append(
            ChainedEntry(
                id=new_id(),
                account_id=accounts.id_of(posting.account, entry.currency, entry.customer_id),
                customer_id=entry.customer_id if own else None,
                invoice_id=entry.invoice_id,
                sequence=statement.count if own else None,
                type=str(entry.type),
                description=(entry.kept_description if kept else None) or entry.description,
                debit_minor=posting.debit,
                credit_minor=posting.credit,
                currency=entry.currency,
                running_balance_minor=statement.balance if own else None,
                external_reference=entry.external_reference,
                effective_at=entry.effective_at or created_at,
                created_at=created_at,
            )
        )
    return ChainedTransaction(
        ledger_id=accounts.ledger_id,
        sequence=sequence,
        id=new_id(),
        cause=entry.cause,
        description=entry.description,
        effective_at=entry.effective_at or created_at,
        created_at=created_at,
        entries=tuple(written),
    )


_OF_TRANSACTION: Final = tuple(field.name for field in fields(ChainedTransaction) if field.name != "entries")
_OF_ENTRY: Final = tuple(field.name for field in fields(ChainedEntry))


async def _store(tx: WriteTransaction, chain: Sequence[tuple[ChainedTransaction, bytes]]) -> None:
    sealed = [
        {name: getattr(transaction, name) for name in _OF_TRANSACTION} | {"hash": seal} for transaction, seal in chain
    ]
    try:
        await tx.execute(_INSERT_TRANSACTIONS, **columns_of(sealed))
    except asyncpg.UniqueViolationError as error:
        raise InvalidState("This was posted already.") from error
    written = [
        {name: getattr(entry, name) for name in _OF_ENTRY} | {"transaction_id": transaction.id}
        for transaction, _ in chain
        for entry in transaction.entries
    ]
    await tx.execute(_INSERT_ENTRIES, **columns_of(written))


async def load_entries(tx: Transaction, ids: Sequence[UUID], columns: Columns = None) -> list[LedgerEntry]:
    """The statement's entries with those ids."""
    return await tx.fetch(_BY_ID.of(columns), ids=list(ids))
