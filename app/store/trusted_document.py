"""The documents that organizations trust: by id, by identifier, as a list."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from app.domain.errors import NotFound
from app.store.notification import notify
from app.store.page import Listing, newest_first
from app.store.query import Relation, any_of, parameter
from app.store.tables import TrustedDocument
from app.store.tenancy import Transaction, WriteTransaction

CHANNEL: Final = "tallygate_documents"
"""Says the organization that trusts a document no more."""

trusted_documents = Relation(TrustedDocument)
TrustedDocumentRow = trusted_documents.row

_BY_ID: Final = trusted_documents.where(trusted_documents.c.id == any_of("ids"))
_BY_DOCUMENT_ID: Final = trusted_documents.where(trusted_documents.c.document_id == parameter("document_id", sa.Text))
_INSERT: Final = trusted_documents.insert(or_skip=True)
_DELETE: Final = trusted_documents.delete(trusted_documents.c.id == parameter("id", sa.Uuid))

listing: Final = Listing(trusted_documents, orders=newest_first(trusted_documents))


async def load_trusted_documents(tx: Transaction, ids: Sequence[UUID]) -> list[TrustedDocument]:
    """The documents with those ids."""
    return await tx.fetch(_BY_ID, ids=list(ids))


async def find_trusted_document(tx: Transaction, document_id: str) -> TrustedDocument | None:
    """The document that is registered under an identifier."""
    return await tx.fetch_row(_BY_DOCUMENT_ID, document_id=document_id)


async def insert_trusted_document(tx: WriteTransaction, **values: Any) -> bool:
    """Store a document, and whether it was new: one that is there already stays as it is."""
    return bool(await tx.execute(_INSERT, **values))


async def delete_trusted_document(tx: WriteTransaction, id_: UUID) -> None:
    """Let go of a document, in every process once this is committed. Raises NotFound."""
    if not await tx.execute(_DELETE, id=id_):
        raise NotFound("No trusted document has this id.", "trustedDocumentId")
    await notify(tx, CHANNEL, str(tx.organization_id))
