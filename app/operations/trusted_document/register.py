"""trusted_document.register."""

from typing import cast
from uuid import UUID

from app.domain.document import document_id_of
from app.domain.text import optional_text
from app.store.audit import record
from app.store.query import new_id
from app.store.tenancy import TenantDatabase
from app.store.trusted_document import find_trusted_document, insert_trusted_document


async def register_document(db: TenantDatabase, document: str, name: str | None) -> UUID:
    """Trust a document that is known to be valid, and give its id; the same text again is the same document.

    Its text is kept as it is, to the last blank, since its identifier is made of it. Raises Invalid.
    """
    async with db.write() as tx:
        id_, document_id = new_id(), document_id_of(document)
        is_new = await insert_trusted_document(
            tx,
            id=id_,
            document_id=document_id,
            name=optional_text(name, "name"),
            document=document,
            created_at=tx.now,
        )
        if not is_new:
            return cast("UUID", getattr(await find_trusted_document(tx, document_id), "id"))  # noqa: B009 - it is there
        await record(tx, "trusted_document.register", id_, {"document_id": document_id})
        return id_
