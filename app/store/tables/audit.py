"""Who did what, and who was kept from it."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.store.tables.column import document, instant, one_of, owned, record_id, reference, tenant_id, text


class AuditOutcome(StrEnum):
    """What came of it."""

    ALLOWED = "ALLOWED"
    DENIED = "DENIED"
    FAILED = "FAILED"


class AuditRecord(SQLModel, table=True):
    """Written in the transaction of what it records; append-only, held by the grants and by a trigger."""

    __tablename__ = "audit_records"
    __table_args__ = (
        owned(),
        one_of("outcome", AuditOutcome),
        sa.Index(None, "organization_id", "created_at", "id"),
        sa.Index(None, "organization_id", "record_id"),
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    id: UUID = Field(sa_column=record_id())
    action: str = Field(sa_column=text("action"))
    outcome: AuditOutcome = Field(sa_column=text("outcome"))
    record_id: UUID | None = Field(sa_column=reference("record_id", nullable=True))
    principal_kind: str = Field(sa_column=text("principal_kind"))
    principal: str = Field(sa_column=text("principal"))
    reason: str | None = Field(sa_column=text("reason", nullable=True))
    request_id: str = Field(sa_column=text("request_id"))
    changes: list[dict[str, Any]] = Field(sa_column=document("changes"))
    created_at: datetime = Field(sa_column=instant("created_at"))
