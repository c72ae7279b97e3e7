"""Where usage changed after it was billed."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.store.tables.column import belongs_to, instant, record_id, reference, tenant_id


class LateUsage(SQLModel, table=True):
    """An inbox of the billing run: a subscription's usage changed between two instants that are billed already.

    Rows are only added, one by each transaction that changes something, so that nobody waits for another; the run
    takes them out once it has compared what is billed there.
    """

    __tablename__ = "late_usage"
    __table_args__ = (
        belongs_to("subscriptions", "subscription_id"),
        sa.CheckConstraint("first_at <= last_at", name="last_at"),
        sa.Index(None, "organization_id", "subscription_id"),
        sa.Index(None, "organization_id", "recorded_at"),
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    id: UUID = Field(sa_column=record_id())
    subscription_id: UUID = Field(sa_column=reference("subscription_id"))
    first_at: datetime = Field(sa_column=instant("first_at"))
    last_at: datetime = Field(sa_column=instant("last_at"))
    recorded_at: datetime = Field(sa_column=instant("recorded_at"))
