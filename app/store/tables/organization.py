"""The tenant."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.store.tables.column import document, instant, one_of, reference, tenant_id, text


class OrganizationStatus(StrEnum):
    """Whether an organization may change anything."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    ARCHIVED = "ARCHIVED"


class Mode(StrEnum):
    """LIVE lives by the database's clock, TEST by its own."""

    LIVE = "LIVE"
    TEST = "TEST"


class Organization(SQLModel, table=True):
    """One organization is one tenant; its row's tenant is itself."""

    __tablename__ = "organizations"
    __table_args__ = (
        sa.ForeignKeyConstraint(["parent_id"], ["organizations.organization_id"]),
        one_of("status", OrganizationStatus),
        one_of("mode", Mode),
        sa.CheckConstraint("(mode = 'TEST') = (test_clock is not null)", name="test_clock"),
        sa.CheckConstraint("parent_id <> organization_id", name="parent_id"),
        sa.Index(None, "parent_id"),
        sa.Index(None, "next_billing_run_at"),
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    parent_id: UUID | None = Field(sa_column=reference("parent_id", nullable=True))
    legal_name: str = Field(sa_column=text("legal_name"))
    doing_business_as: str | None = Field(sa_column=text("doing_business_as", nullable=True))
    legal_document: str | None = Field(sa_column=text("legal_document", nullable=True))
    """From before it was sealed; nothing writes it any more, and the first start empties it."""
    legal_document_sealed: bytes | None = Field(
        sa_column=sa.Column("legal_document_sealed", sa.LargeBinary, nullable=True)
    )
    address: dict[str, Any] | None = Field(sa_column=document("address", nullable=True))
    status: OrganizationStatus = Field(sa_column=text("status"))
    mode: Mode = Field(sa_column=text("mode"))
    test_clock: datetime | None = Field(sa_column=instant("test_clock", nullable=True))
    region: str = Field(sa_column=text("region"))
    default_currency: str = Field(sa_column=text("default_currency"))
    time_zone: str = Field(sa_column=text("time_zone"))
    properties: dict[str, str] = Field(sa_column=document("metadata"))
    created_at: datetime = Field(sa_column=instant("created_at"))
    updated_at: datetime = Field(sa_column=instant("updated_at"))
    deleted_at: datetime | None = Field(sa_column=instant("deleted_at", nullable=True))
    next_billing_run_at: datetime | None = Field(sa_column=instant("next_billing_run_at", nullable=True))
