"""memberAdd, memberRemove."""

import strawberry

from app.api.ids import MEMBER, uuid_of
from app.api.loaders.member import MemberLoader
from app.api.mutations.payload import Change, Payload, left_out, result
from app.api.permission import Writes
from app.api.tenancy import Info
from app.api.types.input import given
from app.api.types.member import Member
from app.api.types.money import as_shown
from app.operations.member.add import add_member
from app.operations.member.remove import remove_member


@strawberry.input(description="Who is let in, and as what.")
class MemberAddInput(Change):
    """A new member."""

    subject: str = strawberry.field(description="The `sub` of the identity provider's tokens, exactly.")
    email: str | None = left_out("Where to reach them; it lets nobody in.")
    role: str = strawberry.field(description="The role; it holds nothing that yours does not.")


@strawberry.input(description="Who is let in no longer.")
class MemberRemoveInput(Change):
    """A member to remove."""

    member_id: strawberry.ID = strawberry.field(description="Which member.")


@strawberry.type(description="What came of a change to a member.")
class MemberPayload(Payload):
    """A member, or why not."""

    member: Member | None = result("The member as it is now, or as it was when it was removed.")


@strawberry.type
class MemberMutations:
    """What can be done to members."""

    @strawberry.mutation(
        extensions=[Writes("member:add")],
        description="Lets a subject of the identity provider in. FORBIDDEN for a role that holds more than yours.",
    )
    async def member_add(self, info: Info, input: MemberAddInput) -> MemberPayload:
        """Add a member."""
        member_id = await add_member(
            info.context.db,
            subject=input.subject,
            email=given(input.email),
            role=input.role,
            held=info.context.tenant.principal.scopes,
        )
        return MemberPayload(member=await info.context.loaders.get(MemberLoader).load(member_id))

    @strawberry.mutation(
        extensions=[Writes("member:remove", whatever_status=True)], description="Lets a member in no longer, at once."
    )
    async def member_remove(self, info: Info, input: MemberRemoveInput) -> MemberPayload:
        """Remove a member."""
        member_id = uuid_of(MEMBER, input.member_id)
        member = await remove_member(info.context.db, member_id, held=info.context.tenant.principal.scopes)
        return MemberPayload(member=as_shown(member))
