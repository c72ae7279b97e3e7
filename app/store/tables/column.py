"""The columns and constraints that tables are made of, so that every table spells them alike."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlmodel import SQLModel

NAMING = {
    "pk": "%(table_name)s_pkey",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
}
metadata = SQLModel.metadata
metadata.naming_convention = NAMING

PARTITIONS = 16
MINOR_MAX = 2**53 - 1


def tenant_id() -> sa.Column[Any]:
    """First column of every table and of every key: whose row this is."""
    return sa.Column("organization_id", sa.Uuid, primary_key=True, nullable=False)


def record_id() -> sa.Column[Any]:
    """A UUIDv7, unique inside its organization."""
    return sa.Column("id", sa.Uuid, primary_key=True, nullable=False)


def reference(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    """The id half of a foreign key; the other half is the row's own organization_id (see `belongs_to`)."""
    return sa.Column(name, sa.Uuid, nullable=nullable)


def part_of(name: str) -> sa.Column[Any]:
    """The record that a row is a part of: with `position` it makes the row's key."""
    return sa.Column(name, sa.Uuid, primary_key=True, nullable=False)


def position(name: str) -> sa.Column[Any]:
    """A row's place among the parts of its record."""
    return sa.Column(name, sa.Integer, primary_key=True, nullable=False, autoincrement=False)


def text(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    """Text; its length is bounded where it comes in."""
    return sa.Column(name, sa.Text, nullable=nullable)


def instant(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    """An instant by the tenant's clock."""
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def minor(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    """An amount in minor units."""
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def number(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    """An exact decimal: a quantity, or a unit price in minor units."""
    return sa.Column(name, sa.Numeric, nullable=nullable)


def integer(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    """A count or a version."""
    return sa.Column(name, sa.Integer, nullable=nullable)


def document(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    """Structured data that is read and written whole."""
    return sa.Column(name, postgresql.JSONB, nullable=nullable)


def belongs_to(table: str, column: str) -> sa.ForeignKeyConstraint:
    """A foreign key that cannot leave the organization: (organization_id, column) -> table."""
    return sa.ForeignKeyConstraint(["organization_id", column], [f"{table}.organization_id", f"{table}.id"])


def owned() -> sa.ForeignKeyConstraint:
    """The row's organization exists."""
    return sa.ForeignKeyConstraint(["organization_id"], ["organizations.organization_id"])


def one_of(column: str, values: type[StrEnum]) -> sa.CheckConstraint:
    """The column holds one of the enumeration's values."""
    allowed = ", ".join(f"'{value.value}'" for value in values)
    return sa.CheckConstraint(f"{column} in ({allowed})", name=column)


def bounded(*columns: str) -> Sequence[sa.CheckConstraint]:
    """Amounts that every client can hold exactly: |x| <= 2^53-1."""
    return [sa.CheckConstraint(f"{column} between -{MINOR_MAX} and {MINOR_MAX}", name=column) for column in columns]


def tenant_tables() -> list[sa.Table]:
    """Every table that holds a tenant's rows: all of them."""
    return [table for table in metadata.sorted_tables if "organization_id" in table.c]


class _TenantTables:
    """A lazy view, since the tables are defined after this module is imported."""

    def __iter__(self) -> Any:
        return iter(tenant_tables())


TENANT_TABLES = _TenantTables()
