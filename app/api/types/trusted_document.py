"""Documents that an organization trusts."""

from datetime import datetime
from typing import Any

import strawberry

from app.api.ids import TRUSTED_DOCUMENT
from app.api.types.node import Node, OrganizationOwned, id_field, owner_field
from app.api.types.reference import OrganizationRef
from app.store.trusted_document import TrustedDocumentRow


@strawberry.type(description="A GraphQL document that is sent by its `documentId`; some credentials may send no other.")
class TrustedDocument(Node, OrganizationOwned):
    """A trusted document; its values are the store's rows."""

    id: strawberry.ID = id_field(TRUSTED_DOCUMENT)
    organization: OrganizationRef = owner_field()
    document_id: str = strawberry.field(description="`sha256:` and the hash of its text: send it in place of `query`.")
    name: str | None = strawberry.field(description="For people.")
    document: str = strawberry.field(description="Its text, exactly as it was registered.")
    created_at: datetime = strawberry.field(description="When it was registered.")

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        """Whether a value is a trusted document's row."""
        return isinstance(value, TrustedDocumentRow)
