"""How large a document may be, by its shape alone: measured after parsing and before validation, which trusts it.

Strawberry's own limiters, and graphql-core's check that fields can be merged, take exponential or quadratic time in
what is repeated. Here each field is visited once for each place of the answer that it fills, and a fragment once for
each place that spreads it, so that the work is bounded by VISITS_MAX whatever the document says.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from app.api.errors import TooComplex

DEPTH_MAX: Final = 10
INTROSPECTION_DEPTH_MAX: Final = 16
ALIASES_MAX: Final = 30
DIRECTIVES_MAX: Final = 8
ROOT_FIELDS_MAX: Final = 20
FRAGMENTS_MAX: Final = 50
VISITS_MAX: Final = 10_000
PAIRS_MAX: Final = 10_000
"""Pairs of fields that fill the same place: validation compares each with each."""

_INTROSPECTION: Final = frozenset({"__schema", "__type"})
_PAGING: Final = frozenset({"nodes", "edges"})
"""The levels between a connection and its records, which are not counted as depth."""

Fragments = dict[str, FragmentDefinitionNode]


def check_bounds(document: DocumentNode) -> None:
    """Refuse a document that is too large. Raises TooComplex, saying the bound."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    if len(fragments) > FRAGMENTS_MAX:
        raise TooComplex(f"The document has more than {FRAGMENTS_MAX} fragments.")
    _check_nodes(document)
    measure = _Measure(fragments)
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            measure.root(node)


def _check_nodes(document: DocumentNode) -> None:
    """Count what each node bears, each fragment once."""
    aliases = 0
    waiting: list[SelectionSetNode] = []
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):
            _check_directives(definition)
            waiting.append(definition.selection_set)
    while waiting:
        for node in waiting.pop().selections:
            _check_directives(node)
            if isinstance(node, FieldNode) and node.alias is not None:
                aliases += 1
            if isinstance(node, FieldNode | InlineFragmentNode) and node.selection_set is not None:
                waiting.append(node.selection_set)
    if aliases > ALIASES_MAX:
        raise TooComplex(f"The document has more than {ALIASES_MAX} aliases.")


def _check_directives(node: object) -> None:
    if len(getattr(node, "directives", None) or ()) > DIRECTIVES_MAX:
        raise TooComplex(f"The document has more than {DIRECTIVES_MAX} directives at one place.")


class _Measure:
    """Walks the places of the answer, each with all the fields that fill it."""

    def __init__(self, fragments: Fragments) -> None:
        self._fragments = fragments
        self._visits = 0
        self._pairs = 0

    def root(self, operation: OperationDefinitionNode) -> None:
        """Measure an operation."""
        places = self._places([operation.selection_set])
        if len(places) > ROOT_FIELDS_MAX:
            raise TooComplex(f"The operation has more than {ROOT_FIELDS_MAX} root fields.")
        self._below(places, 1, DEPTH_MAX)

    def _below(self, places: Iterable[Sequence[FieldNode]], depth: int, most: int) -> None:
        for fields in places:
            name = fields[0].name.value
            self._pairs += len(fields) * (len(fields) - 1) // 2
            if self._pairs > PAIRS_MAX:
                raise TooComplex("The document repeats its fields too often: select each once.")
            if depth > most:
                raise TooComplex(f"The document is nested more than {most} fields deep.")
            sets = [field.selection_set for field in fields if field.selection_set is not None]
            if sets and name in _INTROSPECTION:
                self._below(self._places(sets), 2, INTROSPECTION_DEPTH_MAX)
            elif sets:
                self._below(self._places(sets), depth if name in _PAGING else depth + 1, most)

    def _places(self, sets: Iterable[SelectionSetNode]) -> list[list[FieldNode]]:
        """The fields that are selected, those that fill the same place together."""
        found: dict[str, list[FieldNode]] = {}
        for field in self._fields(sets):
            found.setdefault((field.alias or field.name).value, []).append(field)
        return list(found.values())

    def _fields(self, sets: Iterable[SelectionSetNode]) -> Iterator[FieldNode]:
        waiting = list(sets)
        spread: set[str] = set()
        while waiting:
            for node in waiting.pop().selections:
                self._visits += 1
                if self._visits > VISITS_MAX:
                    raise TooComplex(
                        f"The document selects more than {VISITS_MAX:,} fields, counted as they are spread."
                    )
                if isinstance(node, FieldNode):
                    yield node
                elif isinstance(node, InlineFragmentNode):
                    waiting.append(node.selection_set)
                elif isinstance(node, FragmentSpreadNode) and node.name.value not in spread:
                    spread.add(node.name.value)
                    if node.name.value in self._fragments:
                        waiting.append(self._fragments[node.name.value].selection_set)
