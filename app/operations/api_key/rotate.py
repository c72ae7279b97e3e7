"""api_key.rotate: another secret for the same key, with a time in which both work."""

import secrets
from uuid import UUID

from app.domain.credential import (
    PREFIX_ENTROPY_BYTES,
    SECRET_ENTROPY_BYTES,
    api_key_from_entropy,
    overlap,
    secret_hash,
)
from app.domain.errors import InvalidState
from app.domain.role import Role, check_within
from app.store.api_key import lock_api_key, replace_secret
from app.store.audit import record
from app.store.credential import real_now
from app.store.tables.organization import Mode
from app.store.tenancy import TenantDatabase


async def rotate_api_key(
    db: TenantDatabase, key_id: UUID, *, overlap_seconds: int, held: frozenset[str], pepper: str
) -> str:
    """Give a key another secret, which is shown this once; the one it has works on for the overlap.

    While an overlap runs there are two secrets already, so that only a rotation without one is possible: it ends both
    at once. Raises NotFound, Invalid, InvalidState, NotAllowed.
    """
    lasting = overlap(overlap_seconds, "overlapSeconds")
    async with db.write() as tx:
        key = await lock_api_key(tx, key_id)
        check_within(held, Role(key.role))
        now = await real_now(tx)
        if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
            raise InvalidState("This API key is not in force any more: make another.", "apiKeyId")
        if lasting and key.former_until is not None and key.former_until > now:
            raise InvalidState(
                f"The former secret works until {key.former_until:%Y-%m-%dT%H:%M:%SZ}: wait, or give 0 seconds to end"
                " both at once.",
                "overlapSeconds",
            )
        entropy = secrets.token_bytes(PREFIX_ENTROPY_BYTES + SECRET_ENTROPY_BYTES)
        new = api_key_from_entropy(entropy, test=tx.facts.mode is Mode.TEST)
        new_hash = secret_hash(new.secret, pepper)
        await replace_secret(tx, key, prefix=new.prefix, secret_hash=new_hash, until=now + lasting)
        await record(tx, "api_key.rotate", key_id, {"prefix": new.prefix, "overlapSeconds": overlap_seconds})
        return new.secret
