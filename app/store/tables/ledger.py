"""The books: balanced transactions, and their postings seen as entries."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.domain.ledger import AccountCode, EntryType
from app.store.tables.column import (
    belongs_to,
    bounded,
    instant,
    minor,
    one_of,
    owned,
    record_id,
    reference,
    tenant_id,
    text,
)


class BookStatus(StrEnum):
    """Whether a book takes postings."""

    ACTIVE = "ACTIVE"
    CLOSED = "CLOSED"


class Ledger(SQLModel, table=True):
    """A set of accounts that balance; every organization has one named `billing`. It ends its chain of transactions."""

    __tablename__ = "ledgers"
    __table_args__ = (owned(), sa.UniqueConstraint("organization_id", "name"), one_of("status", BookStatus))

    organization_id: UUID = Field(sa_column=tenant_id())
    id: UUID = Field(sa_column=record_id())
    name: str = Field(sa_column=text("name"))
    status: BookStatus = Field(sa_column=text("status"))
    last_sequence: int = Field(sa_column=minor("last_sequence"))
    head: bytes | None = Field(sa_column=sa.Column("head", sa.LargeBinary, nullable=True))
    created_at: datetime = Field(sa_column=instant("created_at"))


class Account(SQLModel, table=True):
    """RECEIVABLE and CUSTOMER_CREDIT are one customer's, in one currency; the others are the book's.

    A customer's statement is the entries on both. The receivable's row carries the statement's balance, count and last
    instant, over both, under the lock that orders a ledger's postings. The balance of an account itself is summed.
    """

    __tablename__ = "accounts"
    __table_args__ = (
        belongs_to("ledgers", "ledger_id"),
        belongs_to("customers", "customer_id"),
        one_of("code", AccountCode),
        sa.CheckConstraint(
            "(code in ('RECEIVABLE', 'CUSTOMER_CREDIT')) = (customer_id is not null)", name="customer_id"
        ),
        sa.CheckConstraint(
            "(code = 'RECEIVABLE') = (balance_minor is not null and entry_count is not null)", name="balance"
        ),
        *bounded("balance_minor"),
        sa.UniqueConstraint(
            "organization_id",
            "ledger_id",
            "code",
            "currency",
            "customer_id",
            name="accounts_identity_key",
            postgresql_nulls_not_distinct=True,
        ),
        sa.Index(None, "organization_id", "customer_id"),
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    id: UUID = Field(sa_column=record_id())
    ledger_id: UUID = Field(sa_column=reference("ledger_id"))
    code: AccountCode = Field(sa_column=text("code"))
    currency: str = Field(sa_column=text("currency"))
    customer_id: UUID | None = Field(sa_column=reference("customer_id", nullable=True))
    balance_minor: int | None = Field(sa_column=minor("balance_minor", nullable=True))
    entry_count: int | None = Field(sa_column=minor("entry_count", nullable=True))
    last_posted_at: datetime | None = Field(sa_column=instant("last_posted_at", nullable=True))
    created_at: datetime = Field(sa_column=instant("created_at"))


class LedgerTransaction(SQLModel, table=True):
    """Postings that stand together; `cause` posts once."""

    __tablename__ = "ledger_transactions"
    __table_args__ = (
        belongs_to("ledgers", "ledger_id"),
        sa.UniqueConstraint("organization_id", "cause"),
        sa.UniqueConstraint("organization_id", "ledger_id", "sequence"),
        sa.CheckConstraint("octet_length(hash) = 32", name="hash"),
        sa.Index(None, "organization_id", "ledger_id", "created_at"),
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    id: UUID = Field(sa_column=record_id())
    ledger_id: UUID = Field(sa_column=reference("ledger_id"))
    sequence: int = Field(sa_column=minor("sequence"))
    hash: bytes = Field(sa_column=sa.Column("hash", sa.LargeBinary, nullable=False))
    cause: str = Field(sa_column=text("cause"))
    description: str = Field(sa_column=text("description"))
    effective_at: datetime = Field(sa_column=instant("effective_at"))
    created_at: datetime = Field(sa_column=instant("created_at"))


SHIFT = (
    "case when effective_at <> created_at then"
    " width_bucket(greatest(effective_at, created_at) - least(effective_at, created_at),"
    " '{00:00:01,00:01:00,01:00:00,24:00:00,168:00:00,768:00:00,8784:00:00}'::interval[]) end"
)
"""How far apart an entry's two instants are, by class: under a second, a minute, an hour, a day, a week, 32 days, a
year, or more. A column and not an expression of the index: row security keeps functions out of index conditions.
"""


class LedgerEntry(SQLModel, table=True):
    """A posting. Those on a customer's own accounts, which bear the customer's id, are the customer's statement."""

    __tablename__ = "ledger_entries"
    __table_args__ = (
        belongs_to("ledger_transactions", "transaction_id"),
        belongs_to("accounts", "account_id"),
        belongs_to("customers", "customer_id"),
        belongs_to("invoices", "invoice_id"),
        one_of("type", EntryType),
        sa.CheckConstraint("debit_minor >= 0 and credit_minor >= 0", name="sides"),
        sa.CheckConstraint("(debit_minor = 0) <> (credit_minor = 0)", name="one_side"),
        sa.CheckConstraint(
            "(customer_id is null) = (running_balance_minor is null and sequence is null)", name="running_balance"
        ),
        *bounded("debit_minor", "credit_minor", "running_balance_minor"),
        sa.Index(None, "organization_id", "transaction_id"),
        sa.Index(None, "organization_id", "account_id", "effective_at"),
        sa.Index(
            "ledger_entries_statement_idx",
            "organization_id",
            "created_at",
            "sequence",
            "id",
            postgresql_where=sa.text("customer_id is not null"),
        ),
        sa.Index(
            "ledger_entries_customer_idx",
            "organization_id",
            "customer_id",
            "created_at",
            "sequence",
            "id",
            postgresql_where=sa.text("customer_id is not null"),
        ),
        sa.Index(
            "ledger_entries_balance_idx",
            "organization_id",
            "customer_id",
            "currency",
            "created_at",
            "sequence",
            postgresql_where=sa.text("customer_id is not null"),
        ),
        sa.Index(
            "ledger_entries_shifted_idx",
            "organization_id",
            "customer_id",
            "currency",
            "shift",
            sa.text("greatest(effective_at, created_at)"),
            postgresql_where=sa.text("customer_id is not null and shift is not null"),
            postgresql_include=["effective_at", "created_at", "debit_minor", "credit_minor"],
        ),
        sa.Index(
            "ledger_entries_invoice_idx",
            "organization_id",
            "invoice_id",
            "created_at",
            "sequence",
            "id",
            postgresql_where=sa.text("customer_id is not null"),
        ),
        {"postgresql_partition_by": "hash (organization_id)"},
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    id: UUID = Field(sa_column=record_id())
    transaction_id: UUID = Field(sa_column=reference("transaction_id"))
    account_id: UUID = Field(sa_column=reference("account_id"))
    customer_id: UUID | None = Field(sa_column=reference("customer_id", nullable=True))
    invoice_id: UUID | None = Field(sa_column=reference("invoice_id", nullable=True))
    sequence: int | None = Field(sa_column=minor("sequence", nullable=True))
    type: EntryType = Field(sa_column=text("type"))
    description: str = Field(sa_column=text("description"))
    debit_minor: int = Field(sa_column=minor("debit_minor"))
    credit_minor: int = Field(sa_column=minor("credit_minor"))
    currency: str = Field(sa_column=text("currency"))
    running_balance_minor: int | None = Field(sa_column=minor("running_balance_minor", nullable=True))
    external_reference: str | None = Field(sa_column=text("external_reference", nullable=True))
    effective_at: datetime = Field(sa_column=instant("effective_at"))
    created_at: datetime = Field(sa_column=instant("created_at"))
    shift: int | None = Field(sa_column=sa.Column("shift", sa.Integer, sa.Computed(SHIFT, persisted=True)))
