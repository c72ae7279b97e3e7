"""A billable party of an organization."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.store.tables.column import document, instant, owned, record_id, tenant_id, text


class Customer(SQLModel, table=True):
    """Every organization starts with one, its default: itself."""

    __tablename__ = "customers"
    __table_args__ = (
        owned(),
        sa.UniqueConstraint("organization_id", "external_id"),
        sa.Index("customers_default_key", "organization_id", unique=True, postgresql_where=sa.text("is_default")),
        sa.Index(None, "organization_id", "created_at", "id"),
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    id: UUID = Field(sa_column=record_id())
    name: str = Field(sa_column=text("name"))
    email: str | None = Field(sa_column=text("email", nullable=True))
    external_id: str | None = Field(sa_column=text("external_id", nullable=True))
    currency: str = Field(sa_column=text("currency"))
    address: dict[str, Any] | None = Field(sa_column=document("address", nullable=True))
    properties: dict[str, str] = Field(sa_column=document("metadata"))
    is_default: bool = Field(sa_column=sa.Column("is_default", sa.Boolean, nullable=False))
    created_at: datetime = Field(sa_column=instant("created_at"))
    updated_at: datetime = Field(sa_column=instant("updated_at"))
