"""A versioned price list."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.domain.period import Interval
from app.domain.plan import BillingTiming, Enforcement, FeatureType, PlanStatus
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
    part_of,
    position,
    record_id,
    reference,
    tenant_id,
    text,
)


class Plan(SQLModel, table=True):
    """One version of a plan; only `status` ever changes (held by the grants)."""

    __tablename__ = "plans"
    __table_args__ = (
        owned(),
        sa.UniqueConstraint("organization_id", "key", "version"),
        one_of("status", PlanStatus),
        one_of("interval", Interval),
        one_of("timing", BillingTiming),
        sa.CheckConstraint("interval_count between 1 and 1000", name="interval_count"),
        sa.CheckConstraint("trial_days between 0 and 730", name="trial_days"),
        *bounded("base_price_minor"),
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    id: UUID = Field(sa_column=record_id())
    key: str = Field(sa_column=text("key"))
    version: int = Field(sa_column=integer("version"))
    name: str = Field(sa_column=text("name"))
    description: str | None = Field(sa_column=text("description", nullable=True))
    status: PlanStatus = Field(sa_column=text("status"))
    currency: str = Field(sa_column=text("currency"))
    base_price_minor: int = Field(sa_column=minor("base_price_minor"))
    interval: Interval = Field(sa_column=text("interval"))
    interval_count: int = Field(sa_column=integer("interval_count"))
    timing: BillingTiming = Field(sa_column=text("timing"))
    trial_days: int = Field(sa_column=integer("trial_days"))
    created_at: datetime = Field(sa_column=instant("created_at"))


class PlanFeature(SQLModel, table=True):
    """What a plan version grants; written with the version and never changed."""

    __tablename__ = "plan_features"
    __table_args__ = (
        belongs_to("plans", "plan_id"),
        belongs_to("meters", "meter_id"),
        sa.UniqueConstraint("organization_id", "plan_id", "key"),
        one_of("type", FeatureType),
        one_of("enforcement", Enforcement),
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    plan_id: UUID = Field(sa_column=part_of("plan_id"))
    position: int = Field(sa_column=position("position"))
    key: str = Field(sa_column=text("key"))
    name: str = Field(sa_column=text("name"))
    type: FeatureType = Field(sa_column=text("type"))
    enforcement: Enforcement | None = Field(sa_column=text("enforcement", nullable=True))
    meter_id: UUID | None = Field(sa_column=reference("meter_id", nullable=True))
    included: Decimal | None = Field(sa_column=number("included", nullable=True))
    price: dict[str, Any] | None = Field(sa_column=document("price", nullable=True))
