"""One bounded cache from a document's text to the document, parsed and validated: 4 to 8 ms a request."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from graphql import (
    DocumentNode,
    FloatValueNode,
    GraphQLError,
    GraphQLSchema,
    IntValueNode,
    OperationDefinitionNode,
    StringValueNode,
    Visitor,
    parse,
    visit,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import validate_document
from strawberry.types import ExecutionContext

from app.api.errors import TooComplex

TOKENS_MAX: Final = 2_000
NUMBER_MAX: Final = 100
BYTES_MAX: Final = 8 * 1024 * 1024
_OVERHEAD: Final = 40
"""A parsed document takes about this many bytes for each byte of its text."""


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """A document that was parsed and validated; `errors` is empty where it is valid."""

    document: DocumentNode
    errors: tuple[GraphQLError, ...]


class DocumentCache:
    """The least recently used documents go once the bound in bytes is reached. Keyed with the schema."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._known: OrderedDict[tuple[int, str], KnownDocument] = OrderedDict()
        self._bytes_max = bytes_max
        self._bytes = 0

    def get(self, schema: GraphQLSchema, text: str) -> KnownDocument | None:
        """The document of a text that was seen before."""
        known = self._known.get((id(schema), text))
        if known is not None:
            self._known.move_to_end((id(schema), text))
        return known

    def put(self, schema: GraphQLSchema, text: str, known: KnownDocument) -> None:
        """Keep a document, and let go of the oldest where there are too many."""
        if _size(text) > self._bytes_max or (id(schema), text) in self._known:
            return
        self._known[id(schema), text] = known
        self._bytes += _size(text)
        while self._bytes > self._bytes_max:
            (_, dropped), _document = self._known.popitem(last=False)
            self._bytes -= _size(dropped)

    def __len__(self) -> int:
        return len(self._known)


class DocumentCacheExtension(SchemaExtension):
    """Parses and validates a text that was not seen before, and remembers valid ones."""

    cache: Final = DocumentCache()

    def on_parse(self) -> Iterator[None]:
        """Take the document from the cache, or parse it within bounds."""
        execution = self.execution_context
        schema, text = execution.schema._schema, execution.query or ""  # noqa: SLF001 - Strawberry shows no schema
        known = self.cache.get(schema, text)
        if known is not None:
            execution.graphql_document = known.document
        elif text:
            execution.graphql_document = parsed(text)
        yield

    def on_validate(self) -> Iterator[None]:
        """Take the verdict from the cache, or validate."""
        execution = self.execution_context
        schema, text = execution.schema._schema, execution.query or ""  # noqa: SLF001
        document = execution.graphql_document
        if document is not None:
            known = self.cache.get(schema, text)
            if known is None:
                errors = validate_document(schema, document, execution.validation_rules)
                known = KnownDocument(document, tuple(errors))
                if not errors:
                    self.cache.put(schema, text, known)
            execution.pre_execution_errors = [*known.errors, *_unclear(execution, document)]
        yield


def _unclear(execution: ExecutionContext, document: DocumentNode) -> list[GraphQLError]:
    """Strawberry would take the first of many operations; the specification has the client say which."""
    if execution._provided_operation_name is not None:  # noqa: SLF001 - Strawberry shows its own choice only
        return []
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    return [GraphQLError("Say by `operationName` which operation to execute.", operations)] if operations[1:] else []


def parsed(text: str) -> DocumentNode:
    """Parse a document. Raises GraphQLError for a syntax error, TooComplex for too many tokens."""
    try:
        document = parse(text, max_tokens=TOKENS_MAX)
    except GraphQLError as error:
        if "token" in error.message and str(TOKENS_MAX) in error.message:
            raise TooComplex(f"The document has more than {TOKENS_MAX:,} tokens.") from error
        raise
    visit(document, _ValueCheck())
    return document


class _ValueCheck(Visitor):
    """Refuses strings that PostgreSQL cannot hold, and numbers that nobody needs and Python reads slowly or not."""

    def enter_int_value(self, node: IntValueNode, *_: object) -> None:
        self._check_number(node)

    def enter_float_value(self, node: FloatValueNode, *_: object) -> None:
        self._check_number(node)

    def _check_number(self, node: IntValueNode | FloatValueNode) -> None:
        if len(node.value) > NUMBER_MAX:
            raise GraphQLError(f"A number has at most {NUMBER_MAX} characters.", node)

    def enter_string_value(self, node: StringValueNode, *_: object) -> None:
        problem = unfit(node.value)
        if problem:
            raise GraphQLError(problem, node)


def unfit(text: str) -> str | None:
    """Why a text cannot be stored, or None: a NUL or half a surrogate pair."""
    if "\x00" in text:
        return "Strings cannot hold the character U+0000."
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "Strings cannot hold half a surrogate pair."
    return None


def _size(text: str) -> int:
    return len(text) * _OVERHEAD
