"""The one other door: what must be known before a tenant is, and what no tenant owns. It reads; it writes nothing."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import asyncpg

from app.store.connection import ConnectionPool, Unavailable
from app.store.roles import APP, DIRECTORY, OWNER, QUEUE, QUEUE_SCHEMA, WORKER
from app.store.tables import TENANT_TABLES
from app.store.tables.organization import Mode, OrganizationStatus

_FIND_KEYS: Final = (
    "select organization_id, id, name, role, secret_hash, status, lasts, trusted_documents_only from find_api_keys($1)"
)

_FIND_MEMBERS: Final = "select organization_id, id, role, status, depth from find_members($1, $2)"

_IS_UNDER: Final = "select true from organizations_under($1) as o where o.organization_id = $2"

_DUE_FOR_BILLING: Final = "select organizations_due_for_billing($1, $2)"

_ACTIVE: Final = "select active_organizations($1, $2, $3)"

_RIGHTS: Final = f"""
select session_user::text as login,
       coalesce(bool_or(r.rolsuper or r.rolbypassrls), false) as passes,
       coalesce(bool_or(r.rolname in ('{OWNER}', '{DIRECTORY}', '{QUEUE}')), false) as owns,
       coalesce(has_schema_privilege(to_regnamespace('{QUEUE_SCHEMA}')::oid, 'usage'), false) as works
from pg_roles r where pg_has_role(session_user, r.oid, 'member')
"""  # noqa: S608 - made of constants
"""Of every role that the login is or could become."""

_WALLED: Final = """
select c.relname as name,
       c.relrowsecurity and c.relforcerowsecurity as forced,
       coalesce((
         select bool_and(p.polname = 'tenant' and p.polcmd = '*' and p.polroles = '{0}'
                         and pg_get_expr(p.polqual, c.oid) like '(organization_id = %current_organization()%'
                         and pg_get_expr(p.polwithcheck, c.oid) = pg_get_expr(p.polqual, c.oid))
         from pg_policy p
         where p.polrelid = c.oid
           and exists (select from unnest(p.polroles) r where r = 0 or pg_has_role(session_user, r, 'member'))
       ), false) as policed,
       pg_get_userbyid(c.relowner) = session_user as owned
from pg_class c where c.relnamespace = 'public'::regnamespace and c.relname = any($1::text[])
"""
"""A table is policed where `tenant` is the one policy that the login meets there, for reading and for writing."""

_MIGRATED: Final = "select to_regclass('public.alembic_version') is not null"

_REVISION: Final = "select version_num from alembic_version"


class UnsafeDatabase(Exception):
    """The wall does not stand: the program must not serve. The message says what to mend."""


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key that bears the prefix that was asked for; whose it is is not proved before its hash is compared.

    `lasts` is how long this secret of it works from now, None for no end.
    """

    organization_id: UUID
    id: UUID
    name: str
    role: str
    secret_hash: bytes
    organization_status: OrganizationStatus
    lasts: timedelta | None
    trusted_documents_only: bool


@dataclass(frozen=True, slots=True)
class FoundMember:
    """A membership of a subject, `depth` organizations above the one that was named: 0 is right there."""

    organization_id: UUID
    id: UUID
    role: str
    organization_status: OrganizationStatus
    depth: int | None


class SystemDatabase:
    """The database before a tenant is known, through functions that answer one narrow question each."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    async def find_api_keys(self, prefix: str) -> list[FoundKey]:
        """The keys in force that bear this prefix. Raises Unavailable."""
        async with self._pool.connection() as connection:
            records = await connection.fetch(_FIND_KEYS, prefix)
        return [
            FoundKey(
                organization_id=record["organization_id"],
                id=record["id"],
                name=record["name"],
                role=record["role"],
                secret_hash=record["secret_hash"],
                organization_status=OrganizationStatus(record["status"]),
                lasts=record["lasts"],
                trusted_documents_only=record["trusted_documents_only"],
            )
            for record in records
        ]

    async def find_members(self, subject: str, organization_id: UUID | None) -> list[FoundMember]:
        """A subject's memberships in an organization and above it, the nearest first; where none is named, up to two.

        Raises Unavailable.
        """
        async with self._pool.connection() as connection:
            records = await connection.fetch(_FIND_MEMBERS, subject, organization_id)
        return [
            FoundMember(
                organization_id=record["organization_id"],
                id=record["id"],
                role=record["role"],
                organization_status=OrganizationStatus(record["status"]),
                depth=record["depth"],
            )
            for record in records
        ]

    async def is_under(self, root: UUID, organization_id: UUID) -> bool:
        """Whether an organization is `root` or one of its descendants. Raises Unavailable."""
        async with self._pool.connection() as connection:
            return bool(await connection.fetchval(_IS_UNDER, root, organization_id))

    async def due_for_billing(self, following: UUID | None, most: int) -> list[UUID]:
        """Active LIVE organizations whose next billing run has come, in the order of their ids, from `following` on.

        Only for the worker's login. Raises Unavailable.
        """
        async with self._pool.connection() as connection:
            return [row[0] for row in await connection.fetch(_DUE_FOR_BILLING, following, most)]

    async def active_organizations(self, modes: Sequence[Mode], following: UUID | None, most: int) -> list[UUID]:
        """Active organizations of those modes, likewise. Only for the worker's login. Raises Unavailable."""
        async with self._pool.connection() as connection:
            return [row[0] for row in await connection.fetch(_ACTIVE, list(modes), following, most)]

    async def organizations_to_seal(self, most: int) -> list[UUID]:
        """Organizations whose legal document is stored plain, from before it was sealed. Raises Unavailable."""
        async with self._pool.connection() as connection:
            return [row[0] for row in await connection.fetch("select organizations_to_seal($1)", most)]

    async def all_organizations(self, following: UUID | None, most: int) -> list[UUID]:
        """Every organization, whatever its status, in the order of their ids. Only for the worker's login."""
        async with self._pool.connection() as connection:
            return [row[0] for row in await connection.fetch("select all_organizations($1, $2)", following, most)]

    async def is_ready(self) -> bool:
        """Whether the database answers, within two seconds."""
        try:
            async with asyncio.timeout(2), self._pool.connection() as connection:
                return await connection.fetchval("select 1") == 1
        except (Unavailable, TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False

    async def check_wall(self, revision: str, *, worker: bool = False) -> None:
        """Refuse to go on where this login could pass the wall, or the wall has a hole. Raises UnsafeDatabase.

        A login that may work the queue is for `worker` alone, and no other is for that.
        """
        wanted = f"work as {WORKER}" if worker else f"serve as {APP}"
        async with self._pool.connection() as connection:
            rights = await connection.fetchrow(_RIGHTS)
            migrated = await connection.fetchval(_MIGRATED)
            names = [table.name for table in TENANT_TABLES]
            tables = {row["name"]: row for row in await connection.fetch(_WALLED, names)}
            found = None
            if migrated and await connection.fetchval("select has_table_privilege('alembic_version', 'select')"):
                found = await connection.fetchval(_REVISION)
        if rights["passes"]:
            raise UnsafeDatabase(
                f"The login {rights['login']} ignores row security (SUPERUSER or BYPASSRLS, its own or of a role that"
                f" it could become): {wanted}."
            )
        if rights["owns"] or any(row["owned"] for row in tables.values()):
            raise UnsafeDatabase(f"The login {rights['login']} owns the tables: {wanted}.")
        if not migrated or found != revision:
            raise UnsafeDatabase(
                f"The database is at revision {found or 'none'}, the program needs {revision}: run `tallygate migrate`."
            )
        if rights["works"] is not worker:
            may = "may work the queue" if rights["works"] else "may not work the queue"
            raise UnsafeDatabase(f"The login {rights['login']} {may}: {wanted}.")
        for name in names:
            row = tables.get(name)
            if row is None or not (row["forced"] and row["policed"]):
                raise UnsafeDatabase(f"Table {name} lacks FORCE ROW LEVEL SECURITY or its policy: restore the wall.")
