"""A database as large as a small provider's: organizations with customers, invoices, lines and entries.

`seed.sql` says what is in it. Some organizations have an API key, made so that it is the same whenever it is made.
"""

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg

from app.api.ids import INVOICE, type_id
from app.domain.credential import api_key_from_entropy, secret_hash
from app.domain.role import Role
from app.store.migration import head_revision
from bench.scratch import Scratch

PEPPER = "pepper-of-the-dashboard-benchmark"
VIEWERS = 8
FOLDER = Path(__file__).parent
FILES = (FOLDER / "seed.sql", FOLDER / "peers.sql")
TABLES = ("organizations", "subscriptions", "invoices", "invoice_line_items", "ledger_entries")


@dataclass(frozen=True, slots=True)
class Viewer:
    """An organization that looks at its dashboard: its key, and one of its invoices as clients call it."""

    organization_id: UUID
    api_key: str
    invoice_id: str


def name_to_keep(organizations: int) -> str:
    """What a database is called that holds exactly this."""
    content = b"".join(file.read_bytes() for file in FILES)
    return f"bench_dashboard_{organizations}_{head_revision()}_{hashlib.sha256(content).hexdigest()[:8]}"


async def seeded(scratch: Scratch, organizations: int) -> list[Viewer]:
    """Fill the database, unless it is full already, and give those who will ask."""
    connection = await asyncpg.connect(scratch.administrator_url)
    try:
        if not await connection.fetchval("select exists (select from organizations)"):
            began = time.perf_counter()
            await connection.execute("select set_config('bench.organizations', $1, false)", str(organizations))
            async with connection.transaction():
                for file in FILES:
                    await connection.execute(file.read_text())
                await _give_keys(connection)
            print(f"seeded in {time.perf_counter() - began:.0f} s")
        await connection.execute("vacuum analyze")
        counts = {table: await connection.fetchval(f"select count(*) from {table}") for table in TABLES}
        print(", ".join(f"{count:,} {table}" for table, count in counts.items()))
        return await _viewers(connection)
    finally:
        await connection.close()


async def _give_keys(connection: asyncpg.Connection) -> None:
    for organization_id in await _asking(connection):
        key = _key(organization_id)
        await connection.execute(
            "insert into api_keys (organization_id, id, name, prefix, secret_hash, role, created_at)"
            " values ($1, gen_random_uuid(), 'bench', $2, $3, $4, now())",
            organization_id,
            key.prefix,
            secret_hash(key.secret, PEPPER),
            Role.OWNER,
        )


async def _viewers(connection: asyncpg.Connection) -> list[Viewer]:
    newest = "select id from invoices where organization_id = $1 order by created_at desc, id desc limit 1"
    return [
        Viewer(
            organization_id,
            _key(organization_id).secret,
            type_id(INVOICE, await connection.fetchval(newest, organization_id)),
        )
        for organization_id in await _asking(connection)
    ]


async def _asking(connection: asyncpg.Connection) -> list[UUID]:
    rows = await connection.fetch("select organization_id from organizations order by 1 limit $1", VIEWERS)
    return [row[0] for row in rows]


def _key(organization_id: UUID):  # noqa: ANN202
    return api_key_from_entropy(hashlib.sha512(organization_id.bytes).digest()[:40], test=False)
