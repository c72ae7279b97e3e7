"""A scratch database for a benchmark: migrated, used as the app's own role, dropped at the end unless it is kept."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from app.store.embedded import EmbeddedPostgres
from app.store.installation import create_database
from app.store.migration import migrate
from app.store.roles import APP
from app.store.tenancy import Actor

FOLDER = Path(__file__).parents[1] / ".data" / "bench"
PASSWORD = "password-of-the-benchmark"
ACTOR = Actor("SYSTEM", "bench", "bench")


@dataclass(frozen=True)
class Scratch:
    """Where the database is: for its administrator, and for the roles that row security binds."""

    server: EmbeddedPostgres
    name: str

    @property
    def administrator_url(self) -> str:
        """Past row security, for what a benchmark prepares in bulk."""
        return self.server.url(self.name)

    def url(self, role: str = APP) -> str:
        """As the app, or as another of the program's own roles."""
        parts = urlsplit(self.server.url(self.name, role))
        return urlunsplit(parts._replace(netloc=parts.netloc.replace(role, f"{role}:{PASSWORD}")))


@asynccontextmanager
async def scratch_database(*roles: str, durable: bool = False, kept_as: str | None = None) -> AsyncIterator[Scratch]:
    """Make a database of its own; `durable` keeps every promise of the disk, as production does.

    One that is `kept_as` a name is there again the next time, under that name, with what is in it.
    """
    with EmbeddedPostgres(FOLDER / ("durable" if durable else "fast"), durable=durable) as server:
        name = kept_as or f"bench_{uuid.uuid4().hex[:12]}"
        await create_database(server.url(), name)
        try:
            await migrate(server.url(name))
            await administer(server.url(), *(f"alter role {role} password '{PASSWORD}'" for role in roles or (APP,)))
            yield Scratch(server, name)
        finally:
            if kept_as is None:
                await administer(server.url(), f"drop database {name} with (force)")


async def administer(url: str, *statements: str) -> None:
    """Run statements as the administrator."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
