"""Who signs in."""

from datetime import datetime
from typing import Any

import strawberry

from app.api.ids import MEMBER
from app.api.types.node import Node, OrganizationOwned, id_field, owner_field
from app.api.types.reference import OrganizationRef
from app.store.member import MemberRow


@strawberry.type(description="Who signs in through the identity provider, and as what in this organization.")
class Member(Node, OrganizationOwned):
    """A member; its values are the store's rows."""

    id: strawberry.ID = id_field(MEMBER)
    organization: OrganizationRef = owner_field()
    subject: str = strawberry.field(description="The subject of the identity provider's token.")
    email: str | None = strawberry.field(description="Where to reach them; it lets nobody in.")
    role: str = strawberry.field(description="The role: a named set of scopes.")
    created_at: datetime = strawberry.field(description="When they were added, by real time.")

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        """Whether a value is a member's row."""
        return isinstance(value, MemberRow)
