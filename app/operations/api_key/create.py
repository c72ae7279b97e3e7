"""api_key.create."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.domain.credential import PREFIX_ENTROPY_BYTES, SECRET_ENTROPY_BYTES, api_key_from_entropy, secret_hash
from app.domain.errors import Invalid
from app.domain.role import check_within, role_named
from app.domain.text import text
from app.store.api_key import insert_api_key
from app.store.audit import record
from app.store.credential import real_now
from app.store.query import new_id
from app.store.tables.organization import Mode
from app.store.tenancy import TenantDatabase


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new key and its secret, shown this once."""

    id: UUID
    secret: str


async def create_api_key(
    db: TenantDatabase,
    *,
    name: str,
    role: str,
    expires_at: datetime | None,
    held: frozenset[str],
    pepper: str,
    trusted_documents_only: bool = False,
) -> CreatedKey:
    """Make a key with a role within what its maker holds. Raises Invalid, NotAllowed; repeating it makes another."""
    wanted = role_named(role, "role")
    check_within(held, wanted)
    async with db.write() as tx:
        now = await real_now(tx)
        if expires_at is not None and expires_at <= now:
            raise Invalid("Give an instant that is still to come.", "expiresAt")
        entropy = secrets.token_bytes(PREFIX_ENTROPY_BYTES + SECRET_ENTROPY_BYTES)
        key = api_key_from_entropy(entropy, test=tx.facts.mode is Mode.TEST)
        key_id = new_id()
        await insert_api_key(
            tx,
            id=key_id,
            name=text(name, "name", longest=100),
            prefix=key.prefix,
            secret_hash=secret_hash(key.secret, pepper),
            role=wanted,
            created_at=now,
            expires_at=expires_at,
            trusted_documents_only=trusted_documents_only,
        )
        await record(tx, "api_key.create", key_id, {"name": name, "role": wanted, "prefix": key.prefix})
        return CreatedKey(key_id, key.secret)
