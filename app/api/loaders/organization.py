"""Organizations: those that the credential may enter, and no other."""

from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from app.api.loaders.loader import TenantLoader
from app.domain.audit import last_four
from app.store.organization import load_active, load_enterable, load_legal_documents
from app.store.query import in_order_of
from app.store.tables import Organization
from app.store.tenancy import Transaction


class OrganizationLoader(TenantLoader[UUID, Organization | None]):
    """By id; null for one that the credential may not enter, as for one that does not exist."""

    crosses_tenants: ClassVar[bool] = True

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[Organization | None]:
        """The organization of each id: the active one, and where the role may enter others, what lies below its own."""
        tenant = self.context.tenant
        if tenant.may("organization:enter") and set(keys) != {tenant.organization_id}:
            rows = await load_enterable(tx, tenant.principal.home, list(keys))
        else:
            active = await load_active(tx, self.context.columns("Organization"))
            rows = [active] if tenant.organization_id in keys else []
        return in_order_of(keys, rows, lambda row: row.organization_id)


class LegalDocumentLoader(TenantLoader[UUID, str | None]):
    """An organization's legal document: opened where it is asked for, and only there."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[str | None]:
        """The document of each organization that the credential may enter, masked where it may not see it whole."""
        tenant = self.context.tenant
        root = tenant.principal.home if tenant.may("organization:enter") else tenant.organization_id
        found = await load_legal_documents(tx, root, keys)
        if not tenant.may("organization:sensitive"):
            found = {key: last_four(document) for key, document in found.items()}
        self.context.revealed.update(document for document in found.values() if document is not None)
        return [found.get(key) for key in keys]
