"""From a validated query to a plan: what is read of which type, in which order, and how.

The schema that Strawberry built is the only source: graphql-core collects the fields, Strawberry's definitions say how
each is resolved. A plan answers what it knows; what it does not know raises Unplanned while it is made.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from operator import attrgetter
from typing import Any, Final, Protocol, cast

from graphql import (
    FieldNode,
    GraphQLAbstractType,
    GraphQLField,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    get_nullable_type,
    is_abstract_type,
    is_leaf_type,
)
from graphql.execution.collect_fields import FieldDetails, collect_fields
from graphql.pyutils import Path
from strawberry.types.field import StrawberryField

from app.api.execution.attributes import attributes_of
from app.api.execution.call import Call, Parameters, call_of
from app.api.execution.declared import Batch, batch_of, read_of
from app.api.execution.reader import (
    Cell,
    Constant,
    Inline,
    Leaf,
    Read,
    Reader,
    Unplanned,
    either,
    reader,
    serializer,
    spelling_of,
)
from app.api.execution.values import Arguments
from app.store.query import Columns
from app.store.spelling import Spelling

_TYPENAME: Final = "__typename"

FIELDS_MAX: Final = 2_000
"""In one plan: fragments that are spread over and over make many fields of a short text."""


class Collector(Protocol):
    """The part of graphql-core's executor that a plan is made with."""

    schema: GraphQLSchema
    operation: Any
    fragments: Any
    variable_values: Any
    hide_suggestions: bool

    def collect_subfields(self, return_type: GraphQLObjectType, field_details_list: list[FieldDetails]) -> Any:
        """Collect the fields that are selected of a type."""


class Kind(Enum):
    """What a field's value is."""

    LEAF = auto()
    OBJECT = auto()
    ABSTRACT = auto()
    LIST = auto()


@dataclass(frozen=True, slots=True)
class Shape:
    """A field's type and what is selected of it: a selection for each object type that it may be."""

    kind: Kind
    nullable: bool
    item: "Shape | None" = None
    serialize: Callable[[Any], Any] | None = None
    abstract: GraphQLAbstractType | None = None
    selections: "Mapping[str, Selection]" = field(default_factory=dict)

    @property
    def plain(self) -> "Selection | None":
        """The selection of an object of which only plain fields are asked for."""
        selection = next(iter(self.selections.values())) if self.kind is Kind.OBJECT else None
        return None if selection is None or selection.fields else selection


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """A field that is more than plain: how it is resolved, and what becomes of its values.

    `told` is what resolvers are told of it, as graphql-core's info begins: name, nodes, type, parent's type, path.
    `plain` is its selection where it is an object of which only plain fields are asked for.
    """

    key: str
    definition: GraphQLField
    strawberry: StrawberryField
    told: tuple[str, list[FieldNode], GraphQLOutputType, GraphQLObjectType, Path]
    shape: Shape
    plain: "Selection | None"
    batch: Batch | None
    read: Callable[[Any], Any] | None
    call: Call | None
    arguments: Arguments
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class Selection:
    """What is selected of an object type: `read` makes the objects with their plain fields, `fields` fill the rest."""

    type: GraphQLObjectType
    cells: Sequence[Cell]
    read: Reader
    fields: Sequence[FieldPlan]


@dataclass(frozen=True, slots=True)
class Plan:
    """A query's plan. `columns` are what it reads of the rows of each type; all of those not named."""

    root: Selection
    columns: Mapping[str, Columns]
    fields: int


def plan_of(collector: Collector) -> Plan:
    """Plan a query. Raises Unplanned, and what graphql-core raises for what it cannot collect."""
    planner = _Planner(collector)
    root = collector.schema.query_type
    grouped, deferred, *_ = collect_fields(
        collector.schema,
        collector.fragments,
        collector.variable_values,
        cast("GraphQLObjectType", root),
        collector.operation,
        collector.hide_suggestions,
    )
    if deferred:
        raise Unplanned("a fragment that is deferred")
    selection = planner.selection(cast("GraphQLObjectType", root), grouped, is_root=True)
    columns: dict[str, Columns] = {name: read for name, read in planner.columns.items() if read is not None}
    return Plan(selection, columns | planner.spellings(), planner.fields)


class _Planner:
    """Plans one query, and notes on the way which attributes are read of which type."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self.columns: dict[str, frozenset[str] | None] = {}
        self.fields = 0
        self._lists = 0
        self._spellings: dict[str, list[Spelling | None]] = {}

    def spellings(self) -> dict[str, Spelling]:
        """How rows are spelled, of types that are listed in one place, where nothing else reads them."""
        found = {}
        for name, spellings in self._spellings.items():
            spelling = spellings[0] if len(spellings) == 1 else None
            if spelling is not None and spelling.attributes == self.columns[name]:
                found[name] = spelling
        return found

    def selection(
        self, type_: GraphQLObjectType, grouped: dict[str, list[FieldDetails]], *, is_root: bool = False
    ) -> Selection:
        """Plan the fields that were collected of a type."""
        self.fields += len(grouped)
        self.columns.setdefault(type_.name, frozenset())
        if self.fields > FIELDS_MAX:
            raise Unplanned("more fields than are planned")
        cells: list[Cell] = []
        fields: list[FieldPlan] = []
        for key, details in grouped.items():
            if any(each.defer_usage or each.fragment_variable_values for each in details):
                raise Unplanned("a fragment with variables, or one that is deferred")
            name = details[0].node.name.value
            if name == _TYPENAME:
                cells.append(Constant(key, type_.name))
                continue
            planned = self._field(type_, name, key, details, is_root=is_root)
            if isinstance(planned, FieldPlan):
                fields.append(planned)
                cells.append(Constant(key, None))
            else:
                cells.append(planned)
        spelling = spelling_of(cells) if self._lists and not fields else None
        self._spellings.setdefault(type_.name, []).append(spelling)
        read = reader(cells)
        return Selection(type_, cells, read if spelling is None else either(read, cells), fields)

    def _field(
        self, type_: GraphQLObjectType, name: str, key: str, details: list[FieldDetails], *, is_root: bool
    ) -> FieldPlan | Cell:
        definition = type_.fields.get(name)
        if definition is None:
            raise Unplanned("introspection")
        strawberry = definition.extensions.get("strawberry-definition")
        if not isinstance(strawberry, StrawberryField):
            raise Unplanned("a field that is not Strawberry's")
        read = None if is_root else read_of(definition, strawberry)
        shape = self._shape(definition.type, details)
        cell = None if read is None else _cell(key, definition, strawberry, read, shape)
        if not is_root:
            self._note(type_, strawberry, cell)
        if isinstance(cell, Inline):
            # It is read attribute by attribute, as a part of its parent.
            for inner in shape.selections:
                self._spellings[inner].append(None)
        if cell is not None:
            return cell
        function = attrgetter(read) if isinstance(read, str) else read
        return FieldPlan(
            key=key,
            definition=definition,
            strawberry=strawberry,
            told=(name, [each.node for each in details], definition.type, type_, Path(None, key, type_.name)),
            shape=shape,
            plain=shape.plain,
            batch=batch_of(strawberry),
            read=function,
            call=call_of(strawberry),
            arguments=Arguments(definition, details[0].node),
            parameters=Parameters(self._collector.schema, definition, strawberry, details[0].node),
        )

    def _shape(self, type_: Any, details: list[FieldDetails]) -> Shape:
        nullable = not isinstance(type_, GraphQLNonNull)
        if isinstance(type_, GraphQLNonNull):
            type_ = type_.of_type
        if isinstance(type_, GraphQLList):
            self._lists += 1
            item = self._shape(type_.of_type, details)
            self._lists -= 1
            return Shape(Kind.LIST, nullable, item=item)
        if is_leaf_type(type_):
            return Shape(Kind.LEAF, nullable, serialize=serializer(type_))
        if is_abstract_type(type_):
            possible = self._collector.schema.get_possible_types(type_)
            selections = {each.name: self._selected(each, details) for each in possible}
            return Shape(Kind.ABSTRACT, nullable, abstract=type_, selections=selections)
        return Shape(Kind.OBJECT, nullable, selections={type_.name: self._selected(type_, details)})

    def _selected(self, type_: GraphQLObjectType, details: list[FieldDetails]) -> Selection:
        grouped, deferred, *_ = self._collector.collect_subfields(type_, details)
        if deferred:
            raise Unplanned("a fragment that is deferred")
        return self.selection(type_, grouped)

    def _note(self, type_: GraphQLObjectType, strawberry: StrawberryField, cell: Cell | None) -> None:
        """Note what a field reads of its parent, and of rows of other types that it loads by itself."""
        for name in strawberry.metadata.get("loads", ()):
            self._spellings.setdefault(name, []).append(None)
        embedded = isinstance(cell, Inline) and cell.attributes is not None
        own = cell.attributes_read if embedded else attributes_of(strawberry)
        for name, read in {type_.name: own, **strawberry.metadata.get("loads", {})}.items():
            known = self.columns.get(name, frozenset())
            self.columns[name] = None if known is None or read is None else known | read


def _cell(key: str, definition: GraphQLField, strawberry: StrawberryField, read: Read, shape: Shape) -> Cell | None:
    """The cell of a plain field; None where more is selected of it than plain fields."""
    if shape.kind is Kind.LEAF:
        type_ = cast("GraphQLLeafType", get_nullable_type(definition.type))
        return Leaf(key, shape.nullable, read, type_, strawberry.metadata.get("id_of"))
    if shape.kind is not Kind.OBJECT:
        return None
    (selection,) = shape.selections.values()
    if selection.fields or selection.type.is_type_of is not None:
        return None
    attributes = strawberry.metadata.get("embeds")
    if attributes is not None and not all(_is_among(attributes, cell) for cell in selection.cells):
        attributes = None
    return Inline(key, shape.nullable, read, selection.cells, attributes)


def _is_among(attributes: Mapping[str, str], cell: Cell) -> bool:
    return isinstance(cell, Constant) or (isinstance(cell, Leaf) and cell.read in attributes)
