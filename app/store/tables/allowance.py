"""What organizations may ask for, in points."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlmodel import Field, SQLModel

from app.store.tables.column import instant, number, owned, tenant_id


class Allowance(SQLModel, table=True):
    """An organization's token bucket: the points in it at an instant of the database's own clock.

    Unlogged: it is written often and lost in a crash, and an organization then begins with a full bucket.
    """

    __tablename__ = "allowances"
    __table_args__ = (owned(), {"prefixes": ["UNLOGGED"]})

    organization_id: UUID = Field(sa_column=tenant_id())
    points: Decimal = Field(sa_column=number("points"))
    refilled_at: datetime = Field(sa_column=instant("refilled_at"))
