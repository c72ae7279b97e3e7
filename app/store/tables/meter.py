"""How events become a quantity."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.domain.usage import Aggregation
from app.store.tables.column import instant, one_of, owned, record_id, tenant_id, text


class Meter(SQLModel, table=True):
    """A meter never changes once it is made: what was counted by it stays what it was."""

    __tablename__ = "meters"
    __table_args__ = (
        owned(),
        sa.UniqueConstraint("organization_id", "key"),
        one_of("aggregation", Aggregation),
        sa.CheckConstraint("(aggregation = 'UNIQUE') = (property is not null)", name="property"),
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    id: UUID = Field(sa_column=record_id())
    key: str = Field(sa_column=text("key"))
    name: str = Field(sa_column=text("name"))
    unit: str | None = Field(sa_column=text("unit", nullable=True))
    aggregation: Aggregation = Field(sa_column=text("aggregation"))
    property: str | None = Field(sa_column=text("property", nullable=True))
    created_at: datetime = Field(sa_column=instant("created_at"))
