"""Who did what, and who was kept from it."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.store.tables.column import document, instant, minor, one_of, owned, record_id, reference, tenant_id, text


class AuditOutcome(StrEnum):
    """What came of it."""

    ALLOWED = "ALLOWED"
    DENIED = "DENIED"
    FAILED = "FAILED"


class AuditRecord(SQLModel, table=True):
    """A link of its organization's chain, written in the transaction of what it records.

    Append-only, held by the grants and by a trigger. `record_type` is the noun of what was acted on.
    """

    __tablename__ = "audit_records"
    __table_args__ = (
        owned(),
        one_of("outcome", AuditOutcome),
        sa.CheckConstraint("octet_length(hash) = 32", name="hash"),
        sa.CheckConstraint("record_id is null or record_type is not null", name="record_type"),
        sa.UniqueConstraint("organization_id", "sequence"),
        sa.Index(None, "organization_id", "created_at", "sequence"),
        sa.Index(None, "organization_id", "record_id", "created_at", "sequence"),
        sa.Index(None, "organization_id", "action", "created_at", "sequence"),
        sa.Index(None, "organization_id", "principal", "created_at", "sequence"),
        sa.Index(None, "organization_id", "outcome", "created_at", "sequence"),
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    id: UUID = Field(sa_column=record_id())
    action: str = Field(sa_column=text("action"))
    outcome: AuditOutcome = Field(sa_column=text("outcome"))
    record_type: str | None = Field(sa_column=text("record_type", nullable=True))
    record_id: UUID | None = Field(sa_column=reference("record_id", nullable=True))
    principal_kind: str = Field(sa_column=text("principal_kind"))
    principal: str = Field(sa_column=text("principal"))
    reason: str | None = Field(sa_column=text("reason", nullable=True))
    request_id: str = Field(sa_column=text("request_id"))
    changes: list[dict[str, Any]] = Field(sa_column=document("changes"))
    created_at: datetime = Field(sa_column=instant("created_at"))
    sequence: int = Field(sa_column=minor("sequence"))
    hash: bytes = Field(sa_column=sa.Column("hash", sa.LargeBinary, nullable=False))


class AuditChain(SQLModel, table=True):
    """Where an organization's chain of audit records ends; its row is the last that a transaction locks."""

    __tablename__ = "audit_chains"
    __table_args__ = (owned(),)

    organization_id: UUID = Field(sa_column=tenant_id())
    last_sequence: int = Field(sa_column=minor("last_sequence"))
    head: bytes | None = Field(sa_column=sa.Column("head", sa.LargeBinary, nullable=True))
