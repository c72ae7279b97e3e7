"""The development database: embedded or the user's own, migrated, with secrets of its own kept beside it."""

import asyncio
import base64
import json
import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from app.store.embedded import EmbeddedPostgres
from app.store.installation import create_database, let_log_in
from app.store.migration import migrate
from app.store.roles import APP, WORKER

DATABASE: Final = "tallygate"


@dataclass
class Secrets:
    """What a development installation keeps between its starts, readable by its user alone."""

    path: Path
    api_key_pepper: str
    cursor_secret: str
    app_password: str
    demo_keys: list[dict[str, str]] = field(default_factory=list)
    master_key: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(32)).decode())

    @classmethod
    def kept_in(cls, data_dir: Path) -> "Secrets":
        """The secrets of a data folder; made where there are none."""
        path = data_dir / "secrets.json"
        if path.exists():
            kept = cls(path=path, **json.loads(path.read_text()))
            # One from an earlier release lacks what has come since.
            kept.save()
            return kept
        made = cls(path, secrets.token_urlsafe(48), secrets.token_urlsafe(48), secrets.token_urlsafe(32))
        made.save()
        return made

    def save(self) -> None:
        """Write them where nobody else may read; whole or not at all."""
        content = {name: value for name, value in vars(self).items() if name != "path"}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(content, indent=2))
        draft.replace(self.path)


@dataclass(frozen=True, slots=True)
class DevelopmentDatabase:
    """A database for development: `owner_url` migrates it, `app_url` serves it unprivileged, `worker_url` does jobs."""

    owner_url: str
    app_url: str
    worker_url: str


@contextmanager
def development_database(data_dir: Path, kept: Secrets) -> Generator[DevelopmentDatabase]:
    """DATABASE_URL where it is set, else the embedded PostgreSQL of the folder; migrated.

    The embedded one is shared with whoever uses it meanwhile; the last to leave stops it.
    """
    given = os.environ.get("TALLYGATE_DATABASE_URL") or os.environ.get("DATABASE_URL")
    if given:
        yield asyncio.run(_own_database(given, kept))
        return
    with EmbeddedPostgres(data_dir / "postgres") as server:
        asyncio.run(_prepare_embedded(server))
        yield DevelopmentDatabase(
            server.url(DATABASE), server.url(DATABASE, user=APP), server.url(DATABASE, user=WORKER)
        )


async def _prepare_embedded(server: EmbeddedPostgres) -> None:
    await create_database(server.url(), DATABASE)
    await migrate(server.url(DATABASE))


async def _own_database(url: str, kept: Secrets) -> DevelopmentDatabase:
    """Migrate the user's database and let our roles log in to it, with the password kept in the data folder."""
    await migrate(url)
    urls = {role: _as_login(url, role, kept.app_password) for role in (APP, WORKER)}
    for role, login_url in urls.items():
        await let_log_in(url, login_url, role, kept.app_password)
    return DevelopmentDatabase(url, urls[APP], urls[WORKER])


def _as_login(url: str, role: str, password: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, f"{role}:{quote(password)}@{host}", parts.path, parts.query, ""))
