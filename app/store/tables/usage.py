"""Measured facts, and those that wait for what they name."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.store.tables.column import belongs_to, document, instant, number, owned, record_id, reference, tenant_id, text


class UsageEvent(SQLModel, table=True):
    """Append-only, held by the grants and by a trigger; (organization, source, event_id) is its identity."""

    __tablename__ = "usage_events"
    __table_args__ = (
        owned(),
        belongs_to("meters", "meter_id"),
        belongs_to("customers", "customer_id"),
        belongs_to("subscriptions", "subscription_id"),
        sa.UniqueConstraint("organization_id", "source", "event_id"),
        sa.CheckConstraint("quantity >= 0", name="quantity"),
        sa.Index(None, "organization_id", "subscription_id", "meter_id", "occurred_at"),
        sa.Index(None, "organization_id", "meter_id", "occurred_at"),
        sa.Index(None, "organization_id", "customer_id", "meter_id", "occurred_at"),
        sa.Index(None, "organization_id", "occurred_at", "id"),
        {"postgresql_partition_by": "hash (organization_id)"},
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    id: UUID = Field(sa_column=record_id())
    meter_id: UUID = Field(sa_column=reference("meter_id"))
    customer_id: UUID = Field(sa_column=reference("customer_id"))
    subscription_id: UUID | None = Field(sa_column=reference("subscription_id", nullable=True))
    source: str = Field(sa_column=text("source"))
    event_id: str = Field(sa_column=text("event_id"))
    quantity: Decimal = Field(sa_column=number("quantity"))
    properties: dict[str, Any] = Field(sa_column=document("properties"))
    occurred_at: datetime = Field(sa_column=instant("occurred_at"))
    recorded_at: datetime = Field(sa_column=instant("recorded_at"))


class UnmatchedUsageEvent(SQLModel, table=True):
    """An event whose meter or customer does not exist yet; it becomes a UsageEvent once both do."""

    __tablename__ = "unmatched_usage_events"
    __table_args__ = (
        owned(),
        sa.UniqueConstraint("organization_id", "source", "event_id"),
        sa.CheckConstraint("quantity >= 0", name="quantity"),
        sa.Index(None, "organization_id", "meter_key"),
        sa.Index(None, "organization_id", "external_customer_id"),
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    id: UUID = Field(sa_column=record_id())
    meter_key: str = Field(sa_column=text("meter_key"))
    customer_id: UUID | None = Field(sa_column=reference("customer_id", nullable=True))
    external_customer_id: str | None = Field(sa_column=text("external_customer_id", nullable=True))
    subscription_id: UUID | None = Field(sa_column=reference("subscription_id", nullable=True))
    source: str = Field(sa_column=text("source"))
    event_id: str = Field(sa_column=text("event_id"))
    quantity: Decimal = Field(sa_column=number("quantity"))
    properties: dict[str, Any] = Field(sa_column=document("properties"))
    occurred_at: datetime = Field(sa_column=instant("occurred_at"))
    recorded_at: datetime = Field(sa_column=instant("recorded_at"))
