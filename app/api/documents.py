"""Documents that are named and not spelled: trusted ones (`documentId`), and those of Apollo's automatic queries.

A trusted document is registered in its organization and found by every process. An automatic one is remembered by the
process that met it, under its organization: who is told that it is not known sends its text along with the hash.
"""

from collections import OrderedDict
from datetime import timedelta
from typing import Final
from uuid import UUID

from app.api.act import Act, actor_of, record_acts
from app.api.errors import ApiError, BadUserInput, ErrorCode, Forbidden
from app.api.limits import GraphQLRequest
from app.api.tenancy import Tenant
from app.domain.document import SHA256, document_id_of, hash_of
from app.store.cache import Found, NotifiedCache
from app.store.notification import Listener
from app.store.tenancy import Database
from app.store.trusted_document import CHANNEL, find_trusted_document

BYTES_MAX: Final = 8 * 1024 * 1024
"""Of the texts of automatic documents, in each process."""

TRUSTED_MAX: Final = 10_000
"""Trusted documents that a process keeps."""

KEPT: Final = timedelta(seconds=60)


class DocumentNotFound(ApiError):
    """No document is registered under this identifier."""

    code = ErrorCode.DOCUMENT_NOT_FOUND


class PersistedQueryNotFound(ApiError):
    """Apollo's clients know it by its code and its message, and send the document along."""

    code = ErrorCode.PERSISTED_QUERY_NOT_FOUND


class Documents:
    """Finds the text of a request's document, and says whether its credential may send it."""

    def __init__(self, database: Database, listener: Listener) -> None:
        self._database = database
        self._trusted: NotifiedCache[tuple[UUID, str], str] = NotifiedCache(
            listener, CHANNEL, kept=KEPT, entries_max=TRUSTED_MAX
        )
        self._automatic: OrderedDict[tuple[UUID, str], str] = OrderedDict()
        self._bytes = 0

    async def text_of(self, given: GraphQLRequest, tenant: Tenant, request_id: str) -> str:
        """The document. Raises DocumentNotFound, PersistedQueryNotFound, BadUserInput, Forbidden."""
        only = tenant.principal.trusted_documents_only
        if given.document_id is not None:
            found = await self._registered(tenant, given.document_id, request_id)
            if found is None:
                raise DocumentNotFound("No document is registered under this `documentId`.")
            if given.query and given.query != found:
                raise BadUserInput("`documentId` does not name the document in `query`: send one of them.")
            return found
        if given.document_hash is not None and not given.query:
            found = None if only else self._automatic.get((tenant.organization_id, given.document_hash))
            found = found or await self._registered(tenant, SHA256 + given.document_hash, request_id)
            if found is None:
                raise PersistedQueryNotFound("PersistedQueryNotFound")
            return found
        if given.document_hash is not None and given.document_hash != hash_of(given.query):
            raise BadUserInput("provided sha does not match query")
        if only and await self._registered(tenant, document_id_of(given.query), request_id) is None:
            db = self._database.tenant(tenant.organization_id, actor_of(tenant.principal, request_id))
            await record_acts(db, [Act.denied("document.execute", "the document is not a trusted one")])
            raise Forbidden("This credential may send trusted documents alone.")
        return given.query

    def remember(self, given: GraphQLRequest, tenant: Tenant) -> None:
        """Keep an automatic document that was executed; the oldest go once there are too many."""
        if given.document_hash is None or not given.query or tenant.principal.trusted_documents_only:
            return
        key = (tenant.organization_id, given.document_hash)
        if key in self._automatic:
            self._automatic.move_to_end(key)
            return
        self._automatic[key] = given.query
        self._bytes += len(given.query)
        while self._bytes > BYTES_MAX:
            self._bytes -= len(self._automatic.popitem(last=False)[1])

    async def _registered(self, tenant: Tenant, document_id: str, request_id: str) -> str | None:
        organization_id = tenant.organization_id

        async def read() -> Found[str] | None:
            db = self._database.tenant(organization_id, actor_of(tenant.principal, request_id))
            async with db.read() as tx:
                row = await find_trusted_document(tx, document_id)
            return None if row is None else Found(row.document, frozenset({str(organization_id)}))

        return await self._trusted.fetch((organization_id, document_id), read)
