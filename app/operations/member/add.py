"""member.add."""

from uuid import UUID

from app.domain.credential import subject as clean_subject
from app.domain.role import check_within, role_named
from app.domain.text import email as clean_email
from app.store.audit import record
from app.store.credential import real_now
from app.store.member import insert_member
from app.store.query import new_id
from app.store.tenancy import TenantDatabase


async def add_member(db: TenantDatabase, *, subject: str, email: str | None, role: str, held: frozenset[str]) -> UUID:
    """Let a subject of the identity provider in, with a role within what its maker holds, and give the member's id.

    Raises Invalid, AlreadyExists, NotAllowed.
    """
    wanted = role_named(role, "role")
    check_within(held, wanted)
    async with db.write() as tx:
        member_id = new_id()
        await insert_member(
            tx,
            id=member_id,
            subject=clean_subject(subject, "subject"),
            email=clean_email(email, "email"),
            role=wanted,
            created_at=await real_now(tx),
        )
        await record(tx, "member.add", member_id, {"subject": subject, "role": wanted})
        return member_id
