"""What a program signs in with."""

from datetime import datetime
from typing import Any

import strawberry

from app.api.ids import API_KEY
from app.api.types.node import Node, OrganizationOwned, id_field, owner_field
from app.api.types.reference import OrganizationRef
from app.domain.role import SCOPES_OF, Role
from app.store.api_key import ApiKeyRow
from app.store.tables import ApiKey as Row


@strawberry.type(description="What a credential may do. Roles are named sets of scopes.")
class ApiKey(Node, OrganizationOwned):
    """An API key; its values are the store's rows."""

    id: strawberry.ID = id_field(API_KEY)
    organization: OrganizationRef = owner_field()
    name: str = strawberry.field(description="For people.")
    prefix: str = strawberry.field(description="The first characters of the secret, enough to recognise it.")
    role: str = strawberry.field(description="The role: a named set of scopes.")
    trusted_documents_only: bool = strawberry.field(description="Whether it may send trusted documents alone.")
    created_at: datetime = strawberry.field(description="When it was made, by real time as all instants of a key.")
    last_used_at: datetime | None = strawberry.field(
        description="When it was last used, to the minute; null where it never was."
    )
    expires_at: datetime | None = strawberry.field(description="When it stops working by itself, if it does.")
    revoked_at: datetime | None = strawberry.field(description="When it was revoked, if it was.")

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        """Whether a value is a key's row."""
        return isinstance(value, ApiKeyRow)

    @strawberry.field(description="What it may do: noun:verb.")
    def scopes(key: strawberry.Parent[Row]) -> list[str]:
        """The role's scopes."""
        return sorted(SCOPES_OF[Role(key.role)])
