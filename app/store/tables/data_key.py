"""The keys that an organization's sensitive values are sealed with."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.store.tables.column import instant, owned, tenant_id, text


class DataKey(SQLModel, table=True):
    """A version of an organization's data key, wrapped by a master key; without `wrapped` it is destroyed for good."""

    __tablename__ = "data_keys"
    __table_args__ = (owned(), sa.CheckConstraint("version >= 1", name="version"))

    organization_id: UUID = Field(sa_column=tenant_id())
    version: int = Field(
        sa_column=sa.Column("version", sa.Integer, primary_key=True, nullable=False, autoincrement=False)
    )
    master_key_id: str = Field(sa_column=text("master_key_id"))
    wrapped: bytes | None = Field(sa_column=sa.Column("wrapped", sa.LargeBinary, nullable=True))
    created_at: datetime = Field(sa_column=instant("created_at"))
