"""trustedDocumentRegister and trustedDocumentRemove."""

from typing import Any

import strawberry
from graphql import GraphQLError

from app.api.errors import Forbidden, TooComplex
from app.api.execution.document import known
from app.api.ids import TRUSTED_DOCUMENT, uuid_of
from app.api.loaders.trusted_document import TrustedDocumentLoader
from app.api.mutations.payload import Change, Payload, left_out, result
from app.api.permission import Writes
from app.api.tenancy import Info
from app.api.types.input import given
from app.api.types.trusted_document import TrustedDocument
from app.domain.errors import Invalid
from app.operations.trusted_document.register import register_document
from app.operations.trusted_document.remove import remove_document


@strawberry.input(description="A document to trust.")
class TrustedDocumentRegisterInput(Change):
    """A document to trust."""

    document: str = strawberry.field(description="A valid GraphQL document; its identifier is the hash of this text.")
    name: str | None = left_out("For people.")


@strawberry.input(description="Which document to trust no more.")
class TrustedDocumentRemoveInput(Change):
    """A document to trust no more."""

    trusted_document_id: strawberry.ID = strawberry.field(description="Which trusted document.")


@strawberry.type(description="The trusted document.")
class TrustedDocumentPayload(Payload):
    """A trusted document."""

    trusted_document: TrustedDocument | None = result("The document; null once it was removed.")


@strawberry.type
class TrustedDocumentMutations:
    """What can be done to trusted documents."""

    @strawberry.mutation(
        extensions=[Writes("trusted_document:register")],
        description="Trusts a document. The same text again gives the document that is there.",
    )
    async def trusted_document_register(
        self, info: Info, input: TrustedDocumentRegisterInput
    ) -> TrustedDocumentPayload:
        """Register a document."""
        if info.context.tenant.principal.trusted_documents_only:
            raise Forbidden("A credential that may send trusted documents alone cannot say which those are.")
        _check(info, input.document)
        id_ = await register_document(info.context.db, input.document, given(input.name))
        found: Any = await info.context.loaders.get(TrustedDocumentLoader).load(id_)
        return TrustedDocumentPayload(trusted_document=found)

    @strawberry.mutation(
        extensions=[Writes("trusted_document:remove", whatever_status=True)],
        description="Trusts a document no more: it is not found any longer.",
    )
    async def trusted_document_remove(self, info: Info, input: TrustedDocumentRemoveInput) -> TrustedDocumentPayload:
        """Remove a document."""
        await remove_document(info.context.db, uuid_of(TRUSTED_DOCUMENT, input.trusted_document_id))
        return TrustedDocumentPayload()


def _check(info: Info, document: str) -> None:
    """Go on where a document could be executed. Raises Invalid with what is wrong first."""
    try:
        errors = known(info.schema._schema, document).errors  # noqa: SLF001 - Strawberry shows no schema
    except (GraphQLError, TooComplex) as error:
        raise Invalid(error.message, "document") from error
    if errors:
        raise Invalid(errors[0].message, "document")
