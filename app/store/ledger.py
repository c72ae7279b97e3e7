"""The books: postings, the statement, balances."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import sqlalchemy as sa

from app.domain.chain import ChainedEntry, ChainedTransaction, chain_hash
from app.domain.errors import Invalid, InvalidState
from app.domain.ledger import AccountCode, EntryType, Posting, postings_for
from app.store.chain import billing_ledger
from app.store.page import Listing, newest_first
from app.store.query import Query, Relation, any_of, new_id, parameter
from app.store.tables import Account, Ledger, LedgerEntry, LedgerTransaction
from app.store.tenancy import Transaction, WriteTransaction

BILLING: Final = "billing"
"""The name of the ledger that every organization starts with."""

entries = Relation(LedgerEntry)
LedgerEntryRow = entries.row

_INSERT_LEDGER: Final = Relation(Ledger).insert()
_INSERT_ACCOUNT: Final = Relation(Account).insert(or_skip=True)
_INSERT_TRANSACTION: Final = Relation(LedgerTransaction).insert()
_INSERT_ENTRY: Final = entries.insert()

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
_ACCOUNT: Final = Relation(Account).insert(or_skip=True)
_INSERT_TRANSACTION: Final = Relation(LedgerTransaction).insert()
_INSERT_ENTRY: Final = entries.insert()

_BILLING_LEDGER: Final = Query("select id from ledgers where organization_id = :organization_id and name = 'billing'")
_ACCOUNT: Final = Query(
    """
    select id from accounts
    where organization_id = :organization_id and ledger_id = :ledger_id and code = :code and currency = :currency
      and customer_id is null
    """
)
_MOVE_RECEIVABLE: Final = Query(
    """
    update accounts
    set balance_minor = balance_minor + :difference,
        entry_count = entry_count + 1,
        last_posted_at = greatest(last_posted_at, :now)
    where organization_id = :organization_id and ledger_id = :ledger_id and code = 'RECEIVABLE'
      and currency = :currency and customer_id = :customer_id
    returning id, balance_minor, entry_count, last_posted_at
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

_KEPT_BALANCES: Final = Query(
    """
    select customer_id, currency, balance_minor from accounts
    where organization_id = :organization_id and customer_id = any(:customer_ids ::uuid[])
    order by currency
    """
)
_BALANCES_AT: Final = Query(
    """
    select customer_id, currency, sum(debit_minor - credit_minor)::bigint from ledger_entries
    where organization_id = :organization_id and customer_id = any(:customer_ids ::uuid[])
      and (:as_of ::timestamptz is null or effective_at <= :as_of)
      and (:known_at ::timestamptz is null or created_at <= :known_at)
    group by customer_id, currency order by currency
    """
)
_TOTAL_BALANCES: Final = Query(
    """
    select currency, sum(balance_minor)::bigint from accounts
    where organization_id = :organization_id and customer_id is not null
    group by currency order by currency
    """
)
_TOTAL_BALANCES_AT: Final = Query(
    """
    select currency, sum(debit_minor - credit_minor)::bigint from ledger_entries
    where organization_id = :organization_id and customer_id is not null
      and (:as_of ::timestamptz is null or effective_at <= :as_of)
      and (:known_at ::timestamptz is null or created_at <= :known_at)
    group by currency order by currency
    """
)


@dataclass(frozen=True, slots=True)
class StatementEntry:
    """What goes onto a customer's statement. `amount` in minor units, above 0 but for ADJUSTMENT.

    `cause` names what it follows from, as in "invoice.finalize:<id>": it is posted once.
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


async def open_billing_ledger(tx: WriteTransaction) -> None:
    """Make the ledger that every organization starts with."""
    await tx.execute(
        _INSERT_LEDGER, id=new_id(), name=BILLING, status="ACTIVE", last_sequence=0, head=None, created_at=tx.now
    )


async def post(tx: WriteTransaction, entry: StatementEntry) -> UUID:
    """Post a balanced transaction and give the id of its entry on the customer's statement.

    Postings of one ledger follow each other under its row's lock, which carries the end of its chain; the customer's
    receivable carries the running balance. Raises Invalid where the amount or the balance passes the bounds,
    InvalidState where its cause was posted before.
    """
    owed, against = postings_for(entry.type, entry.amount)
    ledger_id, last_sequence, head = await billing_ledger(tx, _LOCK_LEDGER)
    receivable = await _move_receivable(tx, ledger_id, entry, owed.debit - owed.credit)
    counter_id = await _counter_account(tx, ledger_id, against.account, entry.currency)
    created_at = receivable["last_posted_at"]
    on_statement = ChainedEntry(
        account_id=receivable["id"],
        customer_id=entry.customer_id,
        sequence=receivable["entry_count"],
        running_balance_minor=receivable["balance_minor"],
        **_said(entry, owed, created_at),
    )
    counterpart = ChainedEntry(
        account_id=counter_id,
        customer_id=None,
        sequence=None,
        running_balance_minor=None,
        **_said(entry, against, created_at),
    )
    transaction = ChainedTransaction(
        ledger_id=ledger_id,
        sequence=last_sequence + 1,
        id=new_id(),
        cause=entry.cause,
        description=entry.description,
        effective_at=entry.effective_at or created_at,
        created_at=created_at,
        entries=(on_statement, counterpart),
    )
    await _store(tx, transaction, chain_hash(head, transaction))
    return on_statement.id


async def _store(tx: WriteTransaction, transaction: ChainedTransaction, seal: bytes) -> None:
    head = {field.name: getattr(transaction, field.name) for field in fields(transaction) if field.name != "entries"}
    try:
        await tx.execute(_INSERT_TRANSACTION, **head, hash=seal)
    except asyncpg.UniqueViolationError as error:
        raise InvalidState("This was posted already.") from error
    entries_of = [asdict(entry) | {"transaction_id": transaction.id} for entry in transaction.entries]
    await tx.execute_many(_INSERT_ENTRY, entries_of)
    await tx.execute(_END_CHAIN, id=transaction.ledger_id, last_sequence=transaction.sequence, head=seal)


def _said(entry: StatementEntry, posting: Posting, created_at: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "invoice_id": entry.invoice_id,
        "type": str(entry.type),
        "description": entry.description,
        "debit_minor": posting.debit,
        "credit_minor": posting.credit,
        "currency": entry.currency,
        "external_reference": entry.external_reference,
        "effective_at": entry.effective_at or created_at,
        "created_at": created_at,
    }


async def load_entries(tx: Transaction, ids: Sequence[UUID]) -> list[LedgerEntry]:
    """The statement's entries with those ids."""
    return await tx.fetch(_BY_ID, ids=list(ids))


async def load_customer_balances(
    tx: Transaction, customer_ids: Sequence[UUID], as_of: datetime | None, known_at: datetime | None
) -> list[Any]:
    """(customer, currency, minor units) of each: as kept, or summed over what counted and was known by then."""
    if as_of is None and known_at is None:
        return await tx.fetch(_KEPT_BALANCES, customer_ids=list(customer_ids))
    return await tx.fetch(_BALANCES_AT, customer_ids=list(customer_ids), as_of=as_of, known_at=known_at)


async def load_total_balances(tx: Transaction, as_of: datetime | None, known_at: datetime | None) -> list[Any]:
    """(currency, minor units) that all customers owe together."""
    if as_of is None and known_at is None:
        return await tx.fetch(_TOTAL_BALANCES)
    return await tx.fetch(_TOTAL_BALANCES_AT, as_of=as_of, known_at=known_at)


async def _move_receivable(tx: WriteTransaction, ledger_id: UUID, entry: StatementEntry, difference: int) -> Any:
    move = {
        "ledger_id": ledger_id,
        "currency": entry.currency,
        "customer_id": entry.customer_id,
        "difference": difference,
        "now": tx.now,
    }
    try:
        moved = await tx.fetch_row(_MOVE_RECEIVABLE, **move)
        if moved is None:
            await _open_account(tx, ledger_id, AccountCode.RECEIVABLE, entry.currency, entry.customer_id)
            moved = await tx.fetch_row(_MOVE_RECEIVABLE, **move)
    except asyncpg.CheckViolationError as error:
        raise Invalid("The customer's balance would pass 2^53-1 minor units.", "amount") from error
    return moved


async def _counter_account(tx: WriteTransaction, ledger_id: UUID, code: AccountCode, currency: str) -> UUID:
    wanted = {"ledger_id": ledger_id, "code": code, "currency": currency}
    found = await tx.fetch_value(_ACCOUNT, **wanted)
    if found is None:
        await _open_account(tx, ledger_id, code, currency, None)
        found = await tx.fetch_value(_ACCOUNT, **wanted)
    return found


async def _open_account(
    tx: WriteTransaction, ledger_id: UUID, code: AccountCode, currency: str, customer_id: UUID | None
) -> None:
    kept = None if customer_id is None else 0
    await tx.execute(
        _INSERT_ACCOUNT,
        id=new_id(),
        ledger_id=ledger_id,
        code=code,
        currency=currency,
        customer_id=customer_id,
        balance_minor=kept,
        entry_count=kept,
        last_posted_at=None if customer_id is None else tx.now,
        created_at=tx.now,
    )
