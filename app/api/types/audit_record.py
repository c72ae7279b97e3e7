"""Who did what, and who was kept from it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import strawberry

from app.api.ids import AUDIT_RECORD, PREFIX_OF, type_id
from app.api.types.enums import AuditOutcome
from app.api.types.money import as_shown
from app.api.types.node import Node, OrganizationOwned, id_field, owner_field
from app.api.types.reference import OrganizationRef
from app.domain.audit import spelled
from app.store.audit_record import AuditRecordRow
from app.store.tables import AuditRecord as Row


@strawberry.type(description="A field that an action changed; sensitive and personal values are masked.")
class AuditChange:
    """A change; its values are documents of the store."""

    @strawberry.field(description="Which field, by its name in this API.")
    def field(change: strawberry.Parent[Mapping[str, Any]]) -> str:
        """The field."""
        return change["field"]

    @strawberry.field(description="What it was; null where there was nothing, or where it is not known.")
    def before(change: strawberry.Parent[Mapping[str, Any]]) -> str | None:
        """The value before."""
        return spelled(change.get("before"))

    @strawberry.field(description="What it is from then on; null where there is nothing.")
    def after(change: strawberry.Parent[Mapping[str, Any]]) -> str | None:
        """The value after."""
        return spelled(change.get("after"))


@strawberry.type(
    description=(
        "Who did what to which record, or was kept from it. Written in the transaction of what it records, never"
        " changed, and a link of the organization's chain."
    )
)
class AuditRecord(Node, OrganizationOwned):
    """An audit record; its values are the store's rows."""

    id: strawberry.ID = id_field(AUDIT_RECORD)
    organization: OrganizationRef = owner_field()
    action: str = strawberry.field(description="What was done, as noun.verb: invoice.finalize.")
    outcome: AuditOutcome = strawberry.field(description="What came of it.")
    principal_kind: str = strawberry.field(description="What kind of credential: API_KEY, USER, or SYSTEM.")
    principal: str = strawberry.field(description="Whose credential, by its name and id.")
    reason: str | None = strawberry.field(description="Why, as it was given; why not, where it was not ALLOWED.")
    request_id: str = strawberry.field(description="The request that it came with, as X-Request-ID named it.")
    created_at: datetime = strawberry.field(description="When, by the organization's own clock.")

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        """Whether a value is an audit record's row."""
        return isinstance(value, AuditRecordRow)

    @strawberry.field(description="The id of the record that was acted on, of whatever type.")
    def record_id(record: strawberry.Parent[Row]) -> strawberry.ID | None:
        """The id of what was acted on."""
        if record.record_id is None or record.record_type is None:
            return None
        return strawberry.ID(type_id(PREFIX_OF[record.record_type], record.record_id))

    @strawberry.field(description="The fields that changed, before and after; sensitive values are masked.")
    def changes(record: strawberry.Parent[Row]) -> list[AuditChange]:
        """What changed."""
        return as_shown(record.changes)

    @strawberry.field(description="SHA-256 over this record and the hash of the organization's record before it.")
    def hash(record: strawberry.Parent[Row]) -> str:
        """The link's hash, in hexadecimal."""
        return record.hash.hex()
