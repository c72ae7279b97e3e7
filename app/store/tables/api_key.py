"""Credentials of programs."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.store.tables.column import instant, owned, record_id, tenant_id, text


class ApiKey(SQLModel, table=True):
    """A key is stored as the HMAC of its secret; `prefix` finds it. A former secret works until `former_until`.

    Its instants are those of real time, in a TEST organization too: a credential does not live by a clock that stands.
    """

    __tablename__ = "api_keys"
    __table_args__ = (
        owned(),
        sa.CheckConstraint("octet_length(secret_hash) = 32", name="secret_hash"),
        sa.CheckConstraint(
            "num_nulls(former_prefix, former_secret_hash, former_until) in (0, 3)"
            " and (former_secret_hash is null or octet_length(former_secret_hash) = 32)",
            name="former_secret",
        ),
        sa.Index(None, "prefix"),
        sa.Index(None, "former_prefix"),
        sa.Index(None, "organization_id", "created_at", "id"),
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    id: UUID = Field(sa_column=record_id())
    name: str = Field(sa_column=text("name"))
    prefix: str = Field(sa_column=text("prefix"))
    secret_hash: bytes = Field(sa_column=sa.Column("secret_hash", sa.LargeBinary, nullable=False))
    role: str = Field(sa_column=text("role"))
    created_at: datetime = Field(sa_column=instant("created_at"))
    last_used_at: datetime | None = Field(sa_column=instant("last_used_at", nullable=True))
    expires_at: datetime | None = Field(sa_column=instant("expires_at", nullable=True))
    revoked_at: datetime | None = Field(sa_column=instant("revoked_at", nullable=True))
    trusted_documents_only: bool = Field(
        sa_column=sa.Column("trusted_documents_only", sa.Boolean, nullable=False, server_default=sa.false())
    )
    former_prefix: str | None = Field(sa_column=text("former_prefix", nullable=True))
    former_secret_hash: bytes | None = Field(sa_column=sa.Column("former_secret_hash", sa.LargeBinary, nullable=True))
    former_until: datetime | None = Field(sa_column=instant("former_until", nullable=True))
