"""What a customer is asked to pay."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.domain.charge import LineItemKind
from app.domain.invoice import BillingReason, InvoiceStatus, PaymentState
from app.store.tables.column import (
    belongs_to,
    bounded,
    document,
    instant,
    integer,
    minor,
    number,
    one_of,
    owned,
    record_id,
    reference,
    tenant_id,
    text,
)


class Invoice(SQLModel, table=True):
    """Its number is drawn in the transaction that finalizes it; a trigger keeps finalized ones from being deleted.

    `covers` says which spans of its subscription's fee and usage it accounts for, and which quantities it priced, so
    that nothing is billed twice.
    """

    __tablename__ = "invoices"
    __table_args__ = (
        owned(),
        belongs_to("customers", "customer_id"),
        belongs_to("subscriptions", "subscription_id"),
        sa.UniqueConstraint("organization_id", "number"),
        one_of("status", InvoiceStatus),
        one_of("payment_state", PaymentState),
        one_of("reason", BillingReason),
        sa.CheckConstraint("period_start <= period_end", name="period"),
        sa.CheckConstraint("(number is null) = (finalized_at is null)", name="number"),
        sa.CheckConstraint("status not in ('FINALIZED', 'PAID') or number is not null", name="numbered"),
        *bounded("subtotal_minor", "discount_minor", "tax_minor", "total_minor", "amount_paid_minor"),
        sa.Index(
            "invoices_live_period_key",
            "organization_id",
            "subscription_id",
            "reason",
            "period_start",
            unique=True,
            postgresql_where=sa.text("status <> 'VOID' and reason in ('PERIOD', 'CANCELLATION')"),
        ),
        sa.Index(
            "invoices_gathering_adjustment_key",
            "organization_id",
            "subscription_id",
            "period_start",
            unique=True,
            postgresql_where=sa.text("status = 'DRAFT' and reason = 'ADJUSTMENT'"),
        ),
        sa.Index(None, "organization_id", "created_at", "id"),
        sa.Index(None, "organization_id", "customer_id", "created_at", "id"),
        sa.Index(None, "organization_id", "subscription_id", "created_at", "id"),
        sa.Index(None, "organization_id", "subscription_id", "period_end"),
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    id: UUID = Field(sa_column=record_id())
    customer_id: UUID = Field(sa_column=reference("customer_id"))
    subscription_id: UUID | None = Field(sa_column=reference("subscription_id", nullable=True))
    number: str | None = Field(sa_column=text("number", nullable=True))
    status: InvoiceStatus = Field(sa_column=text("status"))
    payment_state: PaymentState = Field(sa_column=text("payment_state"))
    reason: BillingReason = Field(sa_column=text("reason"))
    period_start: datetime = Field(sa_column=instant("period_start"))
    period_end: datetime = Field(sa_column=instant("period_end"))
    currency: str = Field(sa_column=text("currency"))
    subtotal_minor: int = Field(sa_column=minor("subtotal_minor"))
    discount_minor: int = Field(sa_column=minor("discount_minor"))
    tax_minor: int = Field(sa_column=minor("tax_minor"))
    total_minor: int = Field(sa_column=minor("total_minor"))
    amount_paid_minor: int = Field(sa_column=minor("amount_paid_minor"))
    due_at: datetime | None = Field(sa_column=instant("due_at", nullable=True))
    finalized_at: datetime | None = Field(sa_column=instant("finalized_at", nullable=True))
    paid_at: datetime | None = Field(sa_column=instant("paid_at", nullable=True))
    voided_at: datetime | None = Field(sa_column=instant("voided_at", nullable=True))
    covers: dict[str, Any] | None = Field(sa_column=document("covers", nullable=True))
    notes: str | None = Field(sa_column=text("notes", nullable=True))
    properties: dict[str, str] = Field(sa_column=document("metadata"))
    version: int = Field(sa_column=integer("version"))
    created_at: datetime = Field(sa_column=instant("created_at"))
    updated_at: datetime = Field(sa_column=instant("updated_at"))


class InvoiceLineItem(SQLModel, table=True):
    """One line, with the explanation that its calculation emitted."""

    __tablename__ = "invoice_line_items"
    __table_args__ = (
        belongs_to("invoices", "invoice_id"),
        one_of("kind", LineItemKind),
        *bounded("amount_minor"),
        sa.UniqueConstraint("organization_id", "invoice_id", "sort_order"),
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    id: UUID = Field(sa_column=record_id())
    invoice_id: UUID = Field(sa_column=reference("invoice_id"))
    kind: LineItemKind = Field(sa_column=text("kind"))
    description: str = Field(sa_column=text("description"))
    feature_key: str | None = Field(sa_column=text("feature_key", nullable=True))
    quantity: Decimal = Field(sa_column=number("quantity"))
    unit_price: Decimal | None = Field(sa_column=number("unit_price", nullable=True))
    amount_minor: int = Field(sa_column=minor("amount_minor"))
    currency: str = Field(sa_column=text("currency"))
    period_start: datetime | None = Field(sa_column=instant("period_start", nullable=True))
    period_end: datetime | None = Field(sa_column=instant("period_end", nullable=True))
    sort_order: int = Field(sa_column=integer("sort_order"))
    plan_id: UUID | None = Field(sa_column=reference("plan_id", nullable=True))
    explanation: dict[str, Any] = Field(sa_column=document("explanation"))


class InvoiceNumber(SQLModel, table=True):
    """The last number drawn, a row per issuer and year: a counter that rolls back with its transaction."""

    __tablename__ = "invoice_numbers"
    __table_args__ = (owned(), sa.CheckConstraint("last_value >= 1", name="last_value"))

    organization_id: UUID = Field(sa_column=tenant_id())
    year: int = Field(sa_column=sa.Column("year", sa.Integer, primary_key=True, nullable=False, autoincrement=False))
    last_value: int = Field(sa_column=sa.Column("last_value", sa.BigInteger, nullable=False))
