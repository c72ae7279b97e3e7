"""What was answered to a key."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.store.tables.column import instant, owned, tenant_id, text


class IdempotencyRecord(SQLModel, table=True):
    """A key that a principal gave to a mutation field, and the field's first answer, byte for byte as JSON."""

    __tablename__ = "idempotency_records"
    __table_args__ = (
        owned(),
        sa.CheckConstraint("octet_length(fingerprint) = 32 and octet_length(document) = 32", name="hashes"),
        sa.Index(None, "organization_id", "created_at"),
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    principal_id: UUID = Field(sa_column=sa.Column("principal_id", sa.Uuid, primary_key=True, nullable=False))
    field: str = Field(sa_column=sa.Column("field", sa.Text, primary_key=True, nullable=False))
    key: str = Field(sa_column=sa.Column("key", sa.Text, primary_key=True, nullable=False))
    fingerprint: bytes = Field(sa_column=sa.Column("fingerprint", sa.LargeBinary, nullable=False))
    document: bytes = Field(sa_column=sa.Column("document", sa.LargeBinary, nullable=False))
    answer: str | None = Field(sa_column=text("answer", nullable=True))
    created_at: datetime = Field(sa_column=instant("created_at"))
