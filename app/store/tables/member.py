"""Who signs in through an identity provider."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.store.tables.column import instant, owned, record_id, tenant_id, text


class Member(SQLModel, table=True):
    """A subject of the identity provider's tokens with a role in one organization; it may have others elsewhere.

    Its instant is one of real time, as an API key's are.
    """

    __tablename__ = "members"
    __table_args__ = (
        owned(),
        sa.UniqueConstraint("organization_id", "subject"),
        sa.Index(None, "subject"),
        sa.Index(None, "organization_id", "created_at", "id"),
    )

    organization_id: UUID = Field(sa_column=tenant_id())
    id: UUID = Field(sa_column=record_id())
    subject: str = Field(sa_column=text("subject"))
    email: str | None = Field(sa_column=text("email", nullable=True))
    role: str = Field(sa_column=text("role"))
    created_at: datetime = Field(sa_column=instant("created_at"))
