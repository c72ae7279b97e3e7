"""member.remove."""

from uuid import UUID

from app.domain.role import Role, check_within
from app.store.audit import record
from app.store.credential import check_not_last_owner
from app.store.member import delete_member
from app.store.tables import Member
from app.store.tenancy import TenantDatabase


async def remove_member(db: TenantDatabase, member_id: UUID, *, held: frozenset[str]) -> Member:
    """Let a member in no longer, in every process at once, in a suspended organization too; give it as it was.

    Raises NotFound, InvalidState where it is a root's last owner, NotAllowed.
    """
    async with db.write(whatever_status=True) as tx:
        member = await delete_member(tx, member_id)
        check_within(held, Role(member.role))
        if member.role == Role.OWNER:
            await check_not_last_owner(tx, member_id, "memberId")
        await record(tx, "member.remove", member_id, {"subject": member.subject})
        return member
