"""One bounded cache from a document's text to the document, parsed, validated and planned: 4 to 8 ms a request."""

import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from typing import Final

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    validate,
)
from strawberry.extensions import SchemaExtension
from strawberry.types import ExecutionContext

from app.api.charge import charge
from app.api.execution.document import Choice, Declined, KnownDocument, KnownOperation, known
from app.api.execution.plan import Plan

BYTES_MAX: Final = 32 * 1024 * 1024

_INTROSPECTION: Final = re.compile(r"__(schema|type)\b")


class DocumentCache:
    """The least recently used documents go once the bound in bytes is reached. Keyed with the schema."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._known: OrderedDict[tuple[int, str], KnownDocument] = OrderedDict()
        self._bytes_max = bytes_max
        self._bytes = 0

    def get(self, schema: GraphQLSchema, text: str) -> KnownDocument | None:
        """The document of a text that was seen before."""
        key = (id(schema), text)
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
        return found

    def put(self, schema: GraphQLSchema, text: str, document: KnownDocument) -> None:
        """Keep a document, and let go of the oldest where there are too many."""
        key = (id(schema), text)
        if document.size <= self._bytes_max and key not in self._known:
            self._known[key] = document
            self._grow(document.size)

    def keep_plan(
        self, document: KnownDocument, operation: KnownOperation, choice: Choice, plan: Plan | Declined
    ) -> None:
        """Keep a plan, or that there is none, as long as its document."""
        size = operation.keep(choice, plan)
        document.size += size
        self._grow(size)

    def __len__(self) -> int:
        return len(self._known)

    def _grow(self, size: int) -> None:
        self._bytes += size
        while self._bytes > self._bytes_max and self._known:
            self._bytes -= self._known.popitem(last=False)[1].size


class DocumentCacheExtension(SchemaExtension):
    """Parses and validates a text that was not seen before, and remembers valid ones."""

    cache: Final = DocumentCache()

    def on_parse(self) -> Iterator[None]:
        """Take the document from the cache, or parse and validate it within bounds."""
        execution = self.execution_context
        if execution.query:
            execution.graphql_document = self._document(execution).document
        yield

    async def on_validate(self) -> AsyncIterator[None]:
        """Take the verdict from there; charge for the operation that is to run. Raises TooComplex, RateLimited."""
        execution = self.execution_context
        if execution.graphql_document is not None:
            found = self._document(execution)
            execution.pre_execution_errors = [
                *found.errors,
                *_unclear(execution, found.document),
                *_introspecting(execution, found.document),
            ]
            operation = found.operations.get(execution._provided_operation_name)  # noqa: SLF001 - it shows its own choice
            if operation is not None and not execution.pre_execution_errors:
                unpaid = charge(execution.context, operation.cost, execution.variables)
                if unpaid is not None:
                    await unpaid
        yield

    def _document(self, execution: ExecutionContext) -> KnownDocument:
        schema, text = execution.schema._schema, execution.query or ""  # noqa: SLF001 - Strawberry shows no schema
        found = execution.context.document_known or self.cache.get(schema, text)
        if found is None:
            found = known(schema, text)
            if not found.errors:
                self.cache.put(schema, text, found)
        execution.context.document_known = found
        return found


def _introspecting(execution: ExecutionContext, document: DocumentNode) -> list[GraphQLError]:
    """The introspection that a document holds, where the setting refuses it."""
    if execution.context.introspection or not _INTROSPECTION.search(execution.query or ""):
        return []
    schema = execution.schema._schema  # noqa: SLF001
    return validate(schema, document, [NoSchemaIntrospectionCustomRule])[:1]


def _unclear(execution: ExecutionContext, document: DocumentNode) -> list[GraphQLError]:
    """Strawberry would take the first of many operations; the specification has the client say which."""
    if execution._provided_operation_name is not None:  # noqa: SLF001 - Strawberry shows its own choice only
        return []
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    return [GraphQLError("Say by `operationName` which operation to execute.", operations)] if operations[1:] else []
