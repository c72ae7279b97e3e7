"""Measured facts, those that wait for what they name, what they come to by the hour, and what corrects them."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.store.tables.column import (
    belongs_to,
    document,
    instant,
    integer,
    number,
    owned,
    part_of,
    record_id,
    reference,
    tenant_id,
    text,
)


class UsageIdentity(SQLModel, table=True):
    """What makes an event the same event, whether it is counted or waits: it is taken once, and is append-only.

    It has no foreign keys: for each row they would cost as much as the row.
    """

    __tablename__ = "usage_identities"
    __table_args__ = (
        sa.Index(None, "organization_id", "occurred_at"),
        {"postgresql_partition_by": "hash (organization_id)"},
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    source: str = Field(sa_column=sa.Column("source", sa.Text, primary_key=True, nullable=False))
    event_id: str = Field(sa_column=sa.Column("event_id", sa.Text, primary_key=True, nullable=False))
    id: UUID = Field(sa_column=reference("id"))
    occurred_at: datetime = Field(sa_column=instant("occurred_at"))


class UsageEvent(SQLModel, table=True):
    """Append-only, held by the grants and by a trigger, until it is purged; `matched_at` is set of one that waited.

    A trigger checks what the events of a statement refer to, all at once, in place of foreign keys.
    """

    __tablename__ = "usage_events"
    __table_args__ = (
        sa.CheckConstraint("quantity >= 0", name="quantity"),
        sa.Index(None, "organization_id", "subscription_id", "meter_id", "occurred_at"),
        sa.Index(None, "organization_id", "meter_id", "occurred_at"),
        sa.Index(None, "organization_id", "customer_id", "meter_id", "occurred_at"),
        sa.Index(None, "organization_id", "occurred_at", "id"),
        sa.Index(
            "usage_events_uncarried_idx",
            "organization_id",
            "customer_id",
            "meter_id",
            "occurred_at",
            postgresql_where=sa.text("subscription_id is null"),
        ),
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
    matched_at: datetime | None = Field(sa_column=instant("matched_at", nullable=True))


class UnmatchedUsageEvent(SQLModel, table=True):
    """An event whose meter or customer does not exist yet; it becomes a UsageEvent once both do."""

    __tablename__ = "unmatched_usage_events"
    __table_args__ = (
        owned(),
        sa.UniqueConstraint("organization_id", "source", "event_id"),
        sa.CheckConstraint("quantity >= 0", name="quantity"),
        sa.Index(None, "organization_id", "meter_key"),
        sa.Index(None, "organization_id", "external_customer_id"),
        sa.Index(None, "organization_id", "recorded_at", "id"),
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


class UsageHour(SQLModel, table=True):
    """What the events of one hour (UTC) come to: of a customer, a subscription or none, and a meter.

    Its row is the lock of its numbers: whoever changes them holds it. Its id is that of the event that opened it. Once
    it is purged, its numbers stand for events that are no longer kept.
    """

    __tablename__ = "usage_hours"
    __table_args__ = (
        belongs_to("customers", "customer_id"),
        belongs_to("subscriptions", "subscription_id"),
        belongs_to("meters", "meter_id"),
        sa.UniqueConstraint(
            "organization_id",
            "customer_id",
            "subscription_id",
            "meter_id",
            "hour",
            name="usage_hours_key",
            postgresql_nulls_not_distinct=True,
        ),
        sa.CheckConstraint("hour = date_trunc('hour', hour, 'UTC')", name="hour"),
        sa.CheckConstraint("events >= 0", name="events"),
        sa.Index(None, "organization_id", "meter_id", "hour"),
        sa.Index(None, "organization_id", "hour"),
        {"postgresql_with": {"fillfactor": "80"}},
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    id: UUID = Field(sa_column=record_id())
    customer_id: UUID = Field(sa_column=reference("customer_id"))
    subscription_id: UUID | None = Field(sa_column=reference("subscription_id", nullable=True))
    meter_id: UUID = Field(sa_column=reference("meter_id"))
    hour: datetime = Field(sa_column=instant("hour"))
    events: int = Field(sa_column=sa.Column("events", sa.BigInteger, nullable=False))
    total: Decimal = Field(sa_column=number("total"))
    least: Decimal | None = Field(sa_column=number("least", nullable=True))
    greatest: Decimal | None = Field(sa_column=number("greatest", nullable=True))
    latest: Decimal | None = Field(sa_column=number("latest", nullable=True))
    latest_at: datetime | None = Field(sa_column=instant("latest_at", nullable=True))
    latest_id: UUID | None = Field(sa_column=reference("latest_id", nullable=True))
    changed_at: datetime = Field(sa_column=instant("changed_at"))
    purged_at: datetime | None = Field(sa_column=instant("purged_at", nullable=True))


class UsageHourValue(SQLModel, table=True):
    """A distinct value among an hour's events of a meter that counts by value, as its SHA-256."""

    __tablename__ = "usage_hour_values"
    __table_args__ = (
        belongs_to("usage_hours", "hour_id"),
        sa.CheckConstraint("octet_length(digest) = 32", name="digest"),
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    hour_id: UUID = Field(sa_column=part_of("hour_id"))
    digest: bytes = Field(sa_column=sa.Column("digest", sa.LargeBinary, primary_key=True, nullable=False))


class UsageCorrection(SQLModel, table=True):
    """What counts in place of an event's own quantity: the newest stands, and 0 takes the event back. Append-only.

    An event that was corrected is never purged.
    """

    __tablename__ = "usage_corrections"
    __table_args__ = (
        owned(),
        sa.UniqueConstraint("organization_id", "usage_event_id", "sequence"),
        sa.CheckConstraint("quantity >= 0", name="quantity"),
        sa.CheckConstraint("sequence >= 1", name="sequence"),
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    id: UUID = Field(sa_column=record_id())
    usage_event_id: UUID = Field(sa_column=reference("usage_event_id"))
    sequence: int = Field(sa_column=integer("sequence"))
    quantity: Decimal = Field(sa_column=number("quantity"))
    reason: str = Field(sa_column=text("reason"))
    created_at: datetime = Field(sa_column=instant("created_at"))
