"""Trusted documents."""

from collections.abc import Sequence
from uuid import UUID

from app.api.loaders.loader import TenantLoader
from app.store.query import in_order_of
from app.store.tables import TrustedDocument
from app.store.tenancy import Transaction
from app.store.trusted_document import load_trusted_documents


class TrustedDocumentLoader(TenantLoader[UUID, TrustedDocument | None]):
    """By id."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[TrustedDocument | None]:
        """The trusted document of each id."""
        return in_order_of(keys, await load_trusted_documents(tx, keys), lambda row: row.id)
