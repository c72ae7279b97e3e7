"""A customer's commitment to a plan."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.domain.subscription import SubscriptionStatus
from app.store.tables.column import (
    belongs_to,
    document,
    instant,
    integer,
    one_of,
    owned,
    record_id,
    reference,
    tenant_id,
    text,
)


class Subscription(SQLModel, table=True):
    """Periods are counted from `billing_anchor`; which one is current follows from the clock and is not stored."""

    __tablename__ = "subscriptions"
    __table_args__ = (
        owned(),
        belongs_to("customers", "customer_id"),
        belongs_to("plans", "plan_id"),
        one_of("status", SubscriptionStatus),
        sa.CheckConstraint("quantity between 1 and 1000000", name="quantity"),
        sa.CheckConstraint("cancel_at >= started_at", name="cancel_at"),
        sa.Index(None, "organization_id", "customer_id", "created_at", "id"),
        sa.Index(None, "organization_id", "created_at", "id"),
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    id: UUID = Field(sa_column=record_id())
    customer_id: UUID = Field(sa_column=reference("customer_id"))
    plan_id: UUID = Field(sa_column=reference("plan_id"))
    status: SubscriptionStatus = Field(sa_column=text("status"))
    quantity: int = Field(sa_column=integer("quantity"))
    started_at: datetime = Field(sa_column=instant("started_at"))
    billing_anchor: datetime = Field(sa_column=instant("billing_anchor"))
    cancel_requested_at: datetime | None = Field(sa_column=instant("cancel_requested_at", nullable=True))
    cancel_at: datetime | None = Field(sa_column=instant("cancel_at", nullable=True))
    cancel_reason: str | None = Field(sa_column=text("cancel_reason", nullable=True))
    ended_at: datetime | None = Field(sa_column=instant("ended_at", nullable=True))
    properties: dict[str, str] = Field(sa_column=document("metadata"))
    version: int = Field(sa_column=integer("version"))
    created_at: datetime = Field(sa_column=instant("created_at"))
    updated_at: datetime = Field(sa_column=instant("updated_at"))
