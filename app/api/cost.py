"""What an operation costs, known before it runs: in points, from a table, as a formula over its variables.

A record that is read costs a point, a value (money, a period, a scalar) nothing. A page costs a point and what its rows
cost, as often as it may hold them; a mutation field costs 10. Whatever differs from that stands in PRICES. Fields that
`@skip` and `@include` leave out cost nothing, and of several types that a record may be, the dearest counts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from graphql import (
    BooleanValueNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    value_from_ast_untyped,
)
from graphql.type import get_nullable_type

from app.api.formula import Condition, Cost, Given, Length, PageSize, Sum, add, dearest, joined, plus, times

RECORD: Final = 1
PAGE: Final = 1
MUTATION: Final = 10
ROWS_ASSUMED: Final = 10
"""Of a list without pages."""


@dataclass(frozen=True, slots=True)
class Price:
    """A field's own price; `each` says where the list is given whose items it is due for, `of` how many at a time."""

    own: int = 0
    each: tuple[str, ...] = ()
    of: int = 1


PRICES: Final[Mapping[str, Price]] = {
    "Query.__schema": Price(100),
    "Query.__type": Price(10),
    "Query.nodes": Price(RECORD, each=("ids",)),
    "Query.balances": Price(5),
    "Query.usage": Price(20),
    "Subscription.usage": Price(20),
    "Query.usageConservation": Price(100),
    "Query.entitlement": Price(5),
    "Query.entitlements": Price(5),
    "ReservationPayload.entitlement": Price(5),
    "Subscription.upcomingInvoice": Price(20),
    "Subscription.pendingAdjustments": Price(20),
    "Customer.balances": Price(1),
    "Mutation.usageRecord": Price(1, each=("input", "events"), of=10),
    "Mutation.usageCorrect": Price(30),
    "Mutation.usageReserve": Price(20),
    "Mutation.usageSettle": Price(20),
    "Mutation.billingRun": Price(100),
    "Mutation.testClockAdvance": Price(100),
}
"""What costs something else than its shape says, by schema coordinate, in proportion to what it reads.

A point is about a third of a millisecond, as it is where a mutation writes one record. `usageConservation` counts every
event of its period; an entitlement is mostly remembered, and takes 4 ms where it has to be read.
"""

COUNT: Final = 5
"""A connection's totalCount."""

_ITEMS: Final = frozenset({"nodes", "edges"})
_COUNT_FIELD: Final = "totalCount"
_USAGE_RECORD: Final = "Mutation.usageRecord"
_MUTATIONS_TOO: Final = frozenset({_USAGE_RECORD})
"""What costs MUTATION besides its price."""


def cost_of_usage(events: int) -> int:
    """What recording so many events costs, by whatever way they come."""
    return MUTATION + PRICES[_USAGE_RECORD].own * -(-events // PRICES[_USAGE_RECORD].of)


def cost_of(
    schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], operation: OperationDefinitionNode
) -> Cost:
    """What an operation of a valid document costs."""
    return _Pricing(schema, fragments, operation).cost()


@dataclass(frozen=True, slots=True)
class _Selected:
    """A field, or the fields below one, and the conditions under which it is selected."""

    node: Any
    conditions: tuple[Condition, ...]


class _Pricing:
    """Adds up one operation, place by place of its answer."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        operation: OperationDefinitionNode,
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._operation = operation
        self._defaults = {
            definition.variable.name.value: value_from_ast_untyped(definition.default_value)
            for definition in operation.variable_definitions or ()
            if definition.default_value is not None
        }

    def cost(self) -> Cost:
        root = self._schema.get_root_type(self._operation.operation)
        return Cost(self._selection(root, [_Selected(self._operation.selection_set, ())]))

    def _selection(self, type_: GraphQLNamedType | None, sets: Sequence[_Selected]) -> Sum:
        """What is selected of a type; of a type that may be several, the dearest of them."""
        if is_abstract_type(type_):
            named = {name for each in sets for name in self._named(each.node, set())}
            possible = [one for one in self._schema.get_possible_types(type_) if one.name in named]
            return dearest([self._of_type(one, type_, sets) for one in (*possible, None)])
        return self._of_type(cast("GraphQLObjectType", type_), type_, sets)

    def _of_type(self, type_: GraphQLObjectType | None, declared: Any, sets: Sequence[_Selected]) -> Sum:
        total: Sum = {}
        for fields in self._places(type_, sets):
            add(total, self._field(type_ or declared, fields))
        return total

    def _field(self, parent: Any, fields: Sequence[_Selected]) -> Sum:
        node: FieldNode = fields[0].node
        definition = self._schema.get_field(parent, node.name.value)
        if definition is None:
            return {}
        coordinate = f"{parent.name}.{node.name.value}"
        below = _below(fields)
        if coordinate in PRICES:
            total = self._priced(PRICES[coordinate], coordinate, definition, node, below)
        elif "first" in definition.args and "last" in definition.args:
            total = self._page(definition, node, below)
        else:
            total = self._plain(parent, definition, below)
        return times(total, *_only_if(fields))

    def _priced(
        self, price: Price, coordinate: str, definition: GraphQLField, node: FieldNode, below: list[_Selected]
    ) -> Sum:
        type_ = get_named_type(definition.type)
        children = self._selection(type_, below) if below and not type_.name.startswith("__") else {}
        if not price.each:
            return plus(_assumed(children) if _is_list(definition) else children, price.own)
        argument, *path = price.each
        length = self._length(node, argument, tuple(path), price.of)
        if coordinate in _MUTATIONS_TOO:
            return plus(joined(children, times({(): price.own}, length)), MUTATION)
        return times(plus(children, price.own), length)

    def _page(self, definition: GraphQLField, node: FieldNode, below: list[_Selected]) -> Sum:
        """A connection: its rows are counted as often as the page may hold them, the rest of it once."""
        type_ = cast("GraphQLObjectType", get_named_type(definition.type))
        size = PageSize(self._given(node, "first"), self._given(node, "last"))
        total: Sum = {(): PAGE}
        for fields in self._places(type_, below):
            name = fields[0].node.name.value
            if name in _ITEMS:
                add(total, times(self._items(type_, fields), size, *_only_if(fields)))
            elif name == _COUNT_FIELD:
                add(total, times({(): COUNT}, *_only_if(fields)))
        return total

    def _items(self, connection: GraphQLObjectType, fields: Sequence[_Selected]) -> Sum:
        """One row of a page, by `nodes` or by `edges`."""
        type_ = get_named_type(connection.fields[fields[0].node.name.value].type)
        return plus(self._selection(type_, _below(fields)), self._own(type_))

    def _plain(self, parent: Any, definition: GraphQLField, below: list[_Selected]) -> Sum:
        type_ = get_named_type(definition.type)
        own = MUTATION if parent is self._schema.mutation_type else self._own(type_)
        total = plus(self._selection(type_, below) if below else {}, own)
        return _assumed(total) if _is_list(definition) and not is_leaf_type(type_) else total

    def _own(self, type_: GraphQLNamedType) -> int:
        """A record's point: whatever has an id."""
        return RECORD if "id" in getattr(type_, "fields", {}) else 0

    def _places(self, type_: GraphQLObjectType | None, sets: Iterable[_Selected]) -> Iterable[list[_Selected]]:
        """The fields that are selected of a type, those that fill the same place of the answer together."""
        places: dict[str, list[_Selected]] = {}
        for field in self._fields(type_, sets):
            places.setdefault((field.node.alias or field.node.name).value, []).append(field)
        return places.values()

    def _fields(self, type_: GraphQLObjectType | None, sets: Iterable[_Selected]) -> Iterator[_Selected]:
        """The fields that are selected of a type; None is a type that no fragment names."""
        waiting = list(sets)
        spread: set[tuple[str, tuple[Condition, ...]]] = set()
        while waiting:
            within = waiting.pop()
            for node in cast("SelectionSetNode", within.node).selections:
                conditions = self._conditions(node, within.conditions)
                if conditions is None:
                    continue
                if isinstance(node, FieldNode):
                    yield _Selected(node, conditions)
                    continue
                fragment = self._fragment(node)
                if isinstance(node, FragmentSpreadNode):
                    if (node.name.value, conditions) in spread:
                        continue
                    spread.add((node.name.value, conditions))
                if self._applies(fragment, type_):
                    waiting.append(_Selected(fragment.selection_set, conditions))

    def _fragment(self, node: Any) -> InlineFragmentNode | FragmentDefinitionNode:
        return self._fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node

    def _applies(self, fragment: InlineFragmentNode | FragmentDefinitionNode, type_: GraphQLObjectType | None) -> bool:
        if fragment.type_condition is None:
            return True
        wanted = self._schema.get_type(fragment.type_condition.name.value)
        if type_ is None:
            return is_abstract_type(wanted)
        return wanted is type_ or (is_abstract_type(wanted) and self._schema.is_sub_type(wanted, type_))

    def _named(self, selections: SelectionSetNode, seen: set[str]) -> Iterator[str]:
        """The types that fragments name at a place."""
        for node in selections.selections:
            if isinstance(node, FieldNode):
                continue
            if isinstance(node, FragmentSpreadNode):
                if node.name.value in seen:
                    continue
                seen.add(node.name.value)
            fragment = self._fragment(node)
            if fragment.type_condition is not None:
                yield fragment.type_condition.name.value
            yield from self._named(fragment.selection_set, seen)

    def _conditions(self, node: Any, within: tuple[Condition, ...]) -> tuple[Condition, ...] | None:
        """The conditions of a selection; None where it is never selected."""
        found = within
        for directive in node.directives or ():
            wanted = {"include": True, "skip": False}.get(directive.name.value)
            if wanted is None or not directive.arguments:
                continue
            value = directive.arguments[0].value
            if isinstance(value, BooleanValueNode):
                if value.value is not wanted:
                    return None
            elif isinstance(value, VariableNode):
                condition = Condition(self._value(value), wanted)
                found = found if condition in found else (*found, condition)
        return found

    def _given(self, node: FieldNode, name: str) -> Given:
        for argument in node.arguments or ():
            if argument.name.value == name:
                return self._value(argument.value)
        return Given()

    def _value(self, node: ValueNode) -> Given:
        if isinstance(node, VariableNode):
            return Given(_frozen(self._defaults.get(node.name.value)), node.name.value)
        if isinstance(node, IntValueNode):
            return Given(int(node.value))
        return Given()

    def _length(self, node: FieldNode, name: str, path: tuple[str, ...], of: int) -> Length:
        """The length of a list: where the document spells a part of the way, that part is gone already."""
        value: Any = next((one.value for one in node.arguments or () if one.name.value == name), None)
        while path and isinstance(value, ObjectValueNode):
            value = next((one.value for one in value.fields if one.name.value == path[0]), None)
            path = path[1:]
        if isinstance(value, ListValueNode):
            return Length(Given((None,) * len(value.values)), (), of)
        return Length(self._value(value) if isinstance(value, VariableNode) else Given(), path, of)


def _is_list(definition: GraphQLField) -> bool:
    return is_list_type(get_nullable_type(definition.type))


def _assumed(total: Sum) -> Sum:
    """The cost of a list's items, by that of one."""
    return {factors: number * ROWS_ASSUMED for factors, number in total.items()}


def _below(fields: Sequence[_Selected]) -> list[_Selected]:
    """What is selected below fields that fill one place."""
    return [_Selected(field.node.selection_set, field.conditions) for field in fields if field.node.selection_set]


def _only_if(fields: Sequence[_Selected]) -> tuple[Condition, ...]:
    """The conditions of a place; where several fields fill it, it counts whichever of them is left out."""
    return fields[0].conditions if len(fields) == 1 else ()


def _frozen(value: Any) -> Any:
    """A default that can be a part of a key; of a list only its length counts."""
    if isinstance(value, list):
        return (None,) * len(value)
    return None if isinstance(value, dict) else value
