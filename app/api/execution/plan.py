"""From a validated query to a plan: what is read of which type, in which order, and how.

The schema that Strawberry built is the only source: graphql-core collects the fields, Strawberry's definitions say how
each is resolved. A plan answers what it knows; what it does not know raises Unplanned while it is made.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from operator import attrgetter
from typing import Any, Protocol, cast

from graphql import (
    GraphQLAbstractType,
    GraphQLField,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    is_abstract_type,
    is_leaf_type,
)
from graphql.execution.collect_fields import FieldDetails
from strawberry.types.field import StrawberryField

from app.api.execution.leaf import Constant, Leaf, Reader, Unplanned, reader, serializer

_TYPENAME = "__typename"


class Collector(Protocol):
    """The part of graphql-core's executor that a plan is made with."""

    schema: GraphQLSchema

    def collect_subfields(self, return_type: GraphQLObjectType, field_details_list: list[FieldDetails]) -> Any:
        """Collect the fields that are selected of a type."""


class Kind(Enum):
    """What a field's value is."""

    LEAF = auto()
    OBJECT = auto()
    ABSTRACT = auto()
    LIST = auto()


@dataclass(slots=True)
class Shape:
    """A field's type and what is selected of it: `selections` are by type, those of an abstract one made when met."""

    kind: Kind
    nullable: bool
    item: "Shape | None" = None
    leaf: GraphQLLeafType | None = None
    serialize: Callable[[Any], Any] | None = None
    abstract: GraphQLAbstractType | None = None
    details: list[FieldDetails] = field(default_factory=list)
    selections: dict[str, "Selection"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batch:
    """A field that its loader answers for all parents at once."""

    loader: type[Any]
    key_of: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """A field that is more than plain: how it is resolved, and what becomes of its values."""

    key: str
    definition: GraphQLField
    details: list[FieldDetails]
    parent: GraphQLObjectType
    shape: Shape
    batch: Batch | None
    read: Callable[[Any], Any] | None


@dataclass(slots=True)
class Selection:
    """What is selected of an object type: `read` makes the objects with their plain fields, `fields` fill the rest."""

    type: GraphQLObjectType
    read: Reader
    fields: list[FieldPlan]


def selection_of(
    collector: Collector, type_: GraphQLObjectType, grouped: dict[str, list[FieldDetails]], *, is_root: bool = False
) -> Selection:
    """Plan the fields that were collected of a type. Raises Unplanned."""
    cells: list[Leaf | Constant] = []
    fields: list[FieldPlan] = []
    for key, details in grouped.items():
        node = details[0].node
        if any(each.defer_usage or each.fragment_variable_values for each in details):
            raise Unplanned("a fragment with variables, or one that is deferred")
        if node.name.value == _TYPENAME:
            cells.append(Constant(key, type_.name))
            continue
        definition = type_.fields.get(node.name.value)
        if definition is None:
            raise Unplanned("introspection")
        read = None if is_root else _read(definition)
        shape = _shape(collector, definition.type, details)
        if read is not None and shape.kind is Kind.LEAF and shape.leaf is not None:
            cells.append(Leaf(key, shape.leaf, shape.nullable, read))
            continue
        cells.append(Constant(key, None))
        function = attrgetter(read) if isinstance(read, str) else read
        fields.append(FieldPlan(key, definition, details, type_, shape, _batch(definition), function))
    return Selection(type_, reader(cells), fields)


def selected_of(collector: Collector, shape: Shape, type_: GraphQLObjectType) -> Selection:
    """What a shape selects of one of its types; planned when it is first met."""
    found = shape.selections.get(type_.name)
    if found is None:
        grouped, deferred, *_ = collector.collect_subfields(type_, shape.details)
        if deferred:
            raise Unplanned("a fragment that is deferred")
        found = shape.selections[type_.name] = selection_of(collector, type_, grouped)
    return found


def _shape(collector: Collector, type_: Any, details: list[FieldDetails]) -> Shape:
    nullable = not isinstance(type_, GraphQLNonNull)
    if isinstance(type_, GraphQLNonNull):
        type_ = type_.of_type
    if isinstance(type_, GraphQLList):
        return Shape(Kind.LIST, nullable, item=_shape(collector, type_.of_type, details))
    if is_leaf_type(type_):
        return Shape(Kind.LEAF, nullable, leaf=type_, serialize=serializer(type_))
    if is_abstract_type(type_):
        return Shape(Kind.ABSTRACT, nullable, abstract=type_, details=details)
    shape = Shape(Kind.OBJECT, nullable, details=details)
    selected_of(collector, shape, type_)
    return shape


def _read(definition: GraphQLField) -> str | Callable[[Any], Any] | None:
    """How a field is read of its parent alone: an attribute's name, or a function; None where it takes more."""
    strawberry_field = _strawberry(definition)
    if strawberry_field is None or definition.args or strawberry_field.extensions:
        return None
    if strawberry_field.is_basic_field:
        return str(strawberry_field.python_name)
    resolver = strawberry_field.base_resolver
    if resolver is None or resolver.is_async or strawberry_field.permission_classes:
        return None
    taken: Sequence[Any] = list(resolver.signature.parameters.values())
    if len(taken) == 1 and resolver.parent_parameter is not None:
        return cast("Any", resolver.wrapped_func)
    return None


def _batch(definition: GraphQLField) -> Batch | None:
    strawberry_field = _strawberry(definition)
    if strawberry_field is None or definition.args or strawberry_field.extensions:
        return None
    metadata = strawberry_field.metadata
    if "loader" not in metadata:
        return None
    return Batch(metadata["loader"], attrgetter(metadata["key"]))


def _strawberry(definition: GraphQLField) -> StrawberryField | None:
    found = definition.extensions.get("strawberry-definition")
    return found if isinstance(found, StrawberryField) else None
