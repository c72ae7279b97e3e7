"""The operator's door: sums over tenants, through functions that give nothing else."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.domain.money import Money
from app.store.connection import ConnectionPool
from app.store.roles import APP, OPERATOR, REPORTER
from app.store.system import UnsafeDatabase
from app.store.tables.organization import Mode

_BILLING_TOTALS: Final = """
select mode, currency, organizations, invoices, invoiced_minor, paid_minor, outstanding_minor
from billing_totals_under($1)
"""

_RIGHTS: Final = """
select session_user::text as login,
       bool_or(r.rolsuper or r.rolbypassrls or r.rolname in ($1, $2)) as sees_rows,
       bool_or(r.rolname = $3) as reports
from pg_roles r where pg_has_role(session_user, r.oid, 'member')
"""
"""Of every role that the login is or could become."""


@dataclass(frozen=True, slots=True)
class BillingTotal:
    """What organizations of one mode invoiced in one currency; drafts and voided invoices count for nothing."""

    mode: Mode
    organizations: int
    invoices: int
    invoiced: Money
    paid: Money
    outstanding: Money


class OperatorDatabase:
    """The database as the operator's login sees it: sums, and no row."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    async def billing_totals(self, root: UUID) -> list[BillingTotal]:
        """The totals of an organization and all below it, by mode and currency. Raises Unavailable."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(_BILLING_TOTALS, root)
        return [
            BillingTotal(
                mode=Mode(row["mode"]),
                organizations=row["organizations"],
                invoices=row["invoices"],
                invoiced=Money(int(row["invoiced_minor"]), row["currency"]),
                paid=Money(int(row["paid_minor"]), row["currency"]),
                outstanding=Money(int(row["outstanding_minor"]), row["currency"]),
            )
            for row in rows
        ]

    async def check_rights(self) -> None:
        """Refuse a login that may see rows, or may not report. Raises UnsafeDatabase."""
        async with self._pool.connection() as connection:
            rights = await connection.fetchrow(_RIGHTS, APP, REPORTER, OPERATOR)
        if rights["sees_rows"] or not rights["reports"]:
            raise UnsafeDatabase(f"The login {rights['login']} is not for reports: report as {OPERATOR}.")


@asynccontextmanager
async def operator_database(url: str) -> AsyncGenerator[OperatorDatabase]:
    """Connect as the operator. Raises UnsafeDatabase."""
    pool = ConnectionPool(url, size=1)
    await pool.open()
    try:
        database = OperatorDatabase(pool)
        await database.check_rights()
        yield database
    finally:
        await pool.close()
