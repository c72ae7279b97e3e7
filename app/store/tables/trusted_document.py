"""Documents that an organization trusts."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.store.tables.column import instant, owned, record_id, tenant_id, text


class TrustedDocument(SQLModel, table=True):
    """A GraphQL document under the identifier that its content gives it."""

    __tablename__ = "trusted_documents"
    __table_args__ = (
        owned(),
        sa.UniqueConstraint("organization_id", "document_id"),
        sa.Index(None, "organization_id", "created_at", "id"),
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    id: UUID = Field(sa_column=record_id())
    document_id: str = Field(sa_column=text("document_id"))
    name: str | None = Field(sa_column=text("name", nullable=True))
    document: str = Field(sa_column=text("document"))
    created_at: datetime = Field(sa_column=instant("created_at"))
