"""Quota that is held before it is spent."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.domain.reservation import ReservationStatus
from app.store.tables.column import belongs_to, instant, number, one_of, owned, record_id, reference, tenant_id, text


class QuotaCounter(SQLModel, table=True):
    """How much of a meter is held for a subscription, on a plan version, in a period: the sum of its HELD reservations.

    Whoever takes a hold or ends one has this row locked; only then is what was used read.
    """

    __tablename__ = "quota_counters"
    __table_args__ = (
        owned(),
        belongs_to("subscriptions", "subscription_id"),
        belongs_to("meters", "meter_id"),
        belongs_to("plans", "plan_id"),
        sa.UniqueConstraint(
            "organization_id", "subscription_id", "meter_id", "plan_id", "period_start", name="quota_counters_key"
        ),
        sa.CheckConstraint("reserved >= 0", name="reserved"),
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    id: UUID = Field(sa_column=record_id())
    subscription_id: UUID = Field(sa_column=reference("subscription_id"))
    meter_id: UUID = Field(sa_column=reference("meter_id"))
    plan_id: UUID = Field(sa_column=reference("plan_id"))
    period_start: datetime = Field(sa_column=instant("period_start"))
    reserved: Decimal = Field(sa_column=number("reserved"))


class Reservation(SQLModel, table=True):
    """A hold. One that is HELD after `expires_at` holds nothing, whether or not it is marked EXPIRED yet."""

    __tablename__ = "reservations"
    __table_args__ = (
        owned(),
        belongs_to("quota_counters", "counter_id"),
        belongs_to("customers", "customer_id"),
        belongs_to("subscriptions", "subscription_id"),
        one_of("status", ReservationStatus),
        sa.CheckConstraint("quantity > 0", name="quantity"),
        sa.CheckConstraint("(status = 'SETTLED') = (settled_quantity is not null)", name="settled_quantity"),
        sa.Index(None, "organization_id", "counter_id", "expires_at", postgresql_where=sa.text("status = 'HELD'")),
        sa.Index(None, "organization_id", "expires_at", postgresql_where=sa.text("status = 'HELD'")),
        sa.Index(None, "organization_id", "ended_at"),
        sa.Index(None, "organization_id", "counter_id"),
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    id: UUID = Field(sa_column=record_id())
    counter_id: UUID = Field(sa_column=reference("counter_id"))
    customer_id: UUID = Field(sa_column=reference("customer_id"))
    subscription_id: UUID = Field(sa_column=reference("subscription_id"))
    feature: str = Field(sa_column=text("feature"))
    quantity: Decimal = Field(sa_column=number("quantity"))
    status: ReservationStatus = Field(sa_column=text("status"))
    settled_quantity: Decimal | None = Field(sa_column=number("settled_quantity", nullable=True))
    expires_at: datetime = Field(sa_column=instant("expires_at"))
    created_at: datetime = Field(sa_column=instant("created_at"))
    ended_at: datetime | None = Field(sa_column=instant("ended_at", nullable=True))
