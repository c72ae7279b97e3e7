"""Anything by its id."""

from typing import Annotated, Any, Final
from uuid import UUID

import strawberry

from app.api import ids
from app.api.errors import BadUserInput
from app.api.loaders.api_key import ApiKeyLoader
from app.api.loaders.audit_record import AuditRecordLoader
from app.api.loaders.customer import CustomerLoader
from app.api.loaders.invoice import InvoiceLoader, LineLoader
from app.api.loaders.ledger_entry import LedgerEntryLoader
from app.api.loaders.loader import TenantLoader
from app.api.loaders.member import MemberLoader
from app.api.loaders.meter import MeterLoader
from app.api.loaders.organization import OrganizationLoader
from app.api.loaders.plan import PlanLoader
from app.api.loaders.reservation import ReservationLoader
from app.api.loaders.subscription import SubscriptionLoader
from app.api.loaders.trusted_document import TrustedDocumentLoader
from app.api.loaders.usage_event import UsageEventLoader
from app.api.permission import Reads, require
from app.api.tenancy import Info
from app.api.types.node import Node

NODES_MAX: Final = 100

NODES: Final[dict[str, tuple[str, type[TenantLoader[Any, Any]]]]] = {
    ids.ORGANIZATION: ("organization:read", OrganizationLoader),
    ids.CUSTOMER: ("customer:read", CustomerLoader),
    ids.METER: ("meter:read", MeterLoader),
    ids.PLAN: ("plan:read", PlanLoader),
    ids.SUBSCRIPTION: ("subscription:read", SubscriptionLoader),
    ids.USAGE_EVENT: ("usage:read", UsageEventLoader),
    ids.RESERVATION: ("entitlement:read", ReservationLoader),
    ids.INVOICE: ("invoice:read", InvoiceLoader),
    ids.INVOICE_LINE_ITEM: ("invoice:read", LineLoader),
    ids.LEDGER_ENTRY: ("ledger:read", LedgerEntryLoader),
    ids.API_KEY: ("api_key:read", ApiKeyLoader),
    ids.TRUSTED_DOCUMENT: ("trusted_document:read", TrustedDocumentLoader),
    ids.MEMBER: ("member:read", MemberLoader),
    ids.AUDIT_RECORD: ("audit:read", AuditRecordLoader),
}
"""By prefix: the scope that reading such a record needs, and what loads it."""


@strawberry.type
class NodeQueries:
    """Anything by its id."""

    @strawberry.field(
        extensions=[Reads("node:read")],
        description="Null for an unknown id and for another organization's id alike.",
    )
    async def node(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Of any type.")]
    ) -> Node | None:
        """The record with that id."""
        return await _load(info, id)

    @strawberry.field(
        extensions=[Reads("node:read")], description="At most 100 records by id, in the ids' order; null as in `node`."
    )
    async def nodes(
        self, info: Info, ids: Annotated[list[strawberry.ID], strawberry.argument(description="Of any types.")]
    ) -> list[Node | None]:
        """The records with those ids."""
        if len(ids) > NODES_MAX:
            raise BadUserInput(f"Ask for at most {NODES_MAX} ids.")
        return await _load_all(info, ids)


async def _load_all(info: Info, wanted: list[strawberry.ID]) -> list[Any]:
    by_loader: dict[str, list[Any]] = {}
    for text in dict.fromkeys(wanted):
        by_loader.setdefault(ids.parsed(text)[0], []).append(text)
    found: dict[str, Any] = {}
    for prefix, texts in by_loader.items():
        if prefix in NODES:
            scope, loader = NODES[prefix]
            require(info.context, scope, {"id": texts[0]})
            keys = [ids.uuid_of(prefix, text) for text in texts]
            found |= dict(zip(texts, await info.context.loaders.get(loader).load_many(keys), strict=True))
            _look(info, prefix, [key for text, key in zip(texts, keys, strict=True) if found[text] is not None])
    return [found.get(text) for text in wanted]


def _look(info: Info, prefix: str, found: list[UUID]) -> None:
    """An invoice by `node` is looked at as one by `invoice` is."""
    if prefix == ids.INVOICE:
        for key in found:
            info.context.looked_at("invoice", key)


async def _load(info: Info, wanted: strawberry.ID) -> Any:
    return (await _load_all(info, [wanted]))[0]
