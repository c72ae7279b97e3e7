"""What has an id, and what an organization owns."""

from typing import Any

import strawberry

from app.api.ids import type_id
from app.api.loaders.loader import loaded
from app.api.loaders.organization import OrganizationLoader
from app.api.types.reference import OrganizationRef

_ID = "A TypeID: a prefix that names the type, then a UUIDv7, e.g. inv_01h455vb4pex5vsknk084sn02q."


@strawberry.interface(description="Anything that has an id and can be asked for by it.")
class Node:
    """Anything that has an id."""

    id: strawberry.ID = strawberry.field(description=_ID)


@strawberry.interface(description="Which organization owns this record?")
class OrganizationOwned:
    """Anything that an organization owns."""

    organization: OrganizationRef = strawberry.field(description="The organization that owns it.")


def id_field(prefix: str, attribute: str = "id") -> Any:
    """The `id` of a type whose ids bear this prefix."""

    def resolve(row: strawberry.Parent[Any]) -> strawberry.ID:
        return strawberry.ID(type_id(prefix, getattr(row, attribute)))

    return strawberry.field(resolver=resolve, description=_ID, metadata={"reads": (attribute,), "id_of": attribute})


def owner_field() -> Any:
    """The `organization` of a type whose rows bear its id."""
    return loaded(OrganizationLoader, "organization_id", "The organization that owns it.")
