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
    part_of,
    position,
    record_id,
    reference,
    tenant_id,
    text,
)


class Subscription(SQLModel, table=True):
    """Periods are counted from `billing_anchor`; which one is current follows from the clock and is not stored.

    Plan, quantity and anchor are those of the last phase, `paused_at` and `resumes_at` those of the last pause. All
    boundaries of its periods up to `billed_until` are billed; at `due_at` the billing run looks at it again.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (
        owned(),
        belongs_to("customers", "customer_id"),
        belongs_to("plans", "plan_id"),
        one_of("status", SubscriptionStatus),
        sa.CheckConstraint("quantity between 1 and 1000000", name="quantity"),
        sa.CheckConstraint("cancel_at >= started_at", name="cancel_at"),
        sa.CheckConstraint("trial_end > started_at", name="trial_end"),
        sa.CheckConstraint("paused_at is not null or resumes_at is null", name="resumes_at"),
        sa.Index(None, "organization_id", "due_at", postgresql_where=sa.text("due_at is not null")),
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
    trial_end: datetime | None = Field(sa_column=instant("trial_end", nullable=True))
    cancel_requested_at: datetime | None = Field(sa_column=instant("cancel_requested_at", nullable=True))
    cancel_at: datetime | None = Field(sa_column=instant("cancel_at", nullable=True))
    cancel_reason: str | None = Field(sa_column=text("cancel_reason", nullable=True))
    ended_at: datetime | None = Field(sa_column=instant("ended_at", nullable=True))
    paused_at: datetime | None = Field(sa_column=instant("paused_at", nullable=True))
    resumes_at: datetime | None = Field(sa_column=instant("resumes_at", nullable=True))
    past_due_at: datetime | None = Field(sa_column=instant("past_due_at", nullable=True))
    billed_until: datetime = Field(sa_column=instant("billed_until"))
    due_at: datetime | None = Field(sa_column=instant("due_at", nullable=True))
    properties: dict[str, str] = Field(sa_column=document("metadata"))
    version: int = Field(sa_column=integer("version"))
    created_at: datetime = Field(sa_column=instant("created_at"))
    updated_at: datetime = Field(sa_column=instant("updated_at"))


class SubscriptionPhase(SQLModel, table=True):
    """A plan version and seats, in force from `starts_at` until `ends_at`, where the next phase begins.

    Its fee counts from `fee_from`, and its periods are counted from `billing_anchor`.
    """

    __tablename__ = "subscription_phases"
    __table_args__ = (
        belongs_to("subscriptions", "subscription_id"),
        belongs_to("plans", "plan_id"),
        sa.CheckConstraint("quantity between 1 and 1000000", name="quantity"),
        sa.CheckConstraint("starts_at <= fee_from", name="fee_from"),
        sa.CheckConstraint("starts_at <= ends_at", name="ends_at"),
        sa.Index(None, "organization_id", "plan_id"),
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    subscription_id: UUID = Field(sa_column=part_of("subscription_id"))
    number: int = Field(sa_column=position("number"))
    starts_at: datetime = Field(sa_column=instant("starts_at"))
    ends_at: datetime | None = Field(sa_column=instant("ends_at", nullable=True))
    fee_from: datetime = Field(sa_column=instant("fee_from"))
    plan_id: UUID = Field(sa_column=reference("plan_id"))
    quantity: int = Field(sa_column=integer("quantity"))
    billing_anchor: datetime = Field(sa_column=instant("billing_anchor"))


class SubscriptionPause(SQLModel, table=True):
    """A span without base fee."""

    __tablename__ = "subscription_pauses"
    __table_args__ = (
        belongs_to("subscriptions", "subscription_id"),
        sa.CheckConstraint("starts_at <= ends_at", name="ends_at"),
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    subscription_id: UUID = Field(sa_column=part_of("subscription_id"))
    number: int = Field(sa_column=position("number"))
    starts_at: datetime = Field(sa_column=instant("starts_at"))
    ends_at: datetime | None = Field(sa_column=instant("ends_at", nullable=True))
