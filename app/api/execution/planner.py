"""Answers a query by its plan: breadth first, each loader asked once for all parents, no future for a plain field.

Nothing here decides: permissions, arguments and resolvers are the schema's own. Any exception on the way makes the
query run again through graphql-core, in the same snapshot, so that every error, path and null is graphql-core's.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from inspect import isawaitable
from itertools import chain
from typing import Any, Final

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    GraphQLObjectType,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    visit,
)
from graphql.execution.collect_fields import collect_fields
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path

from app.api.execution.leaf import Unplanned, reason_of
from app.api.execution.plan import FieldPlan, Kind, Selection, Shape, selected_of, selection_of

PLANS_MAX: Final = 256

_CONDITIONS: Final = frozenset({"skip", "include"})


class Plans:
    """The plans of operations that were met, one for each choice that `@skip` and `@include` make; the oldest go."""

    def __init__(self, most: int = PLANS_MAX) -> None:
        self._known: OrderedDict[tuple[int, tuple[Any, ...]], tuple[Any, Selection]] = OrderedDict()
        self._conditions: OrderedDict[int, tuple[Any, tuple[str, ...]]] = OrderedDict()
        self._most = most

    def plan_of(self, executor: Any) -> Selection | None:
        """The plan of the executor's operation; None where graphql-core answers it."""
        operation = executor.operation
        coerced = executor.variable_values.coerced
        try:
            key = (id(operation), tuple(coerced.get(name) for name in self._condition_names(executor)))
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known[1]
            plan = _plan(executor)
        except Exception as error:  # noqa: BLE001 - graphql-core says what is wrong with it, if anything is
            executor.context_value.unplanned_because = reason_of(error)
            return None
        # The operation is kept with its plan, so that its identity stays its own.
        self._known[key] = (operation, plan)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return plan

    def _condition_names(self, executor: Any) -> tuple[str, ...]:
        """The variables on which it depends what is selected."""
        operation = executor.operation
        known = self._conditions.get(id(operation))
        if known is None:
            finder = _Conditions()
            for node in (operation, *executor.fragment_definitions.values()):
                visit(node, finder)
            known = self._conditions[id(operation)] = (operation, tuple(sorted(finder.names)))
            if len(self._conditions) > self._most:
                self._conditions.popitem(last=False)
        return known[1]


class _Conditions(Visitor):
    """Finds the variables of `@skip` and `@include`."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: object) -> None:
        """Note a condition's variable."""
        for argument in node.arguments or () if node.name.value in _CONDITIONS else ():
            if isinstance(argument.value, VariableNode):
                self.names.add(argument.value.name.value)
            elif not isinstance(argument.value, BooleanValueNode):
                raise Unplanned("a condition that is no boolean")


def _plan(executor: Any) -> Selection:
    operation: OperationDefinitionNode = executor.operation
    root: GraphQLObjectType = executor.schema.query_type
    grouped, deferred, *_ = collect_fields(
        executor.schema, executor.fragments, executor.variable_values, root, operation, executor.hide_suggestions
    )
    if deferred:
        raise Unplanned("a fragment that is deferred")
    return selection_of(executor, root, grouped, is_root=True)


async def answer(executor: Any, plan: Selection) -> dict[str, Any]:
    """The data of an operation by its plan. Raises what a resolver raises, Unplanned for what a plan cannot answer."""
    (found,) = await _Run(executor).select(plan, [executor.root_value])
    return found


class _Run:
    """One execution of a plan."""

    def __init__(self, executor: Any) -> None:
        self._executor = executor

    async def select(self, selection: Selection, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """The answer's objects of rows of one type."""
        found = selection.read(rows)
        if rows:
            for field in selection.fields:
                values = await self._values(field, rows)
                completed = await self._complete(field.shape, values, field)
                key = field.key
                for one, value in zip(found, completed, strict=True):
                    one[key] = value
        return found

    async def _values(self, field: FieldPlan, rows: Sequence[Any]) -> Sequence[Any]:
        if field.batch is not None:
            keys = [field.batch.key_of(row) for row in rows]
            wanted = [key for key in keys if key is not None]
            loader = self._executor.context_value.loaders.get(field.batch.loader)
            found = dict(zip(wanted, await loader.load_together(wanted), strict=True)) if wanted else {}
            return [None if key is None else found[key] for key in keys]
        if field.read is not None:
            return [field.read(row) for row in rows]
        return await self._resolved(field, rows)

    async def _resolved(self, field: FieldPlan, rows: Sequence[Any]) -> list[Any]:
        """Resolve through Strawberry's own resolver, with its permissions and extensions."""
        arguments: dict[str, Any] = {}
        if field.definition.args:
            node = field.details[0].node
            arguments = get_argument_values(field.definition, node, self._executor.variable_values)
        info = self._info(field)
        resolve = field.definition.resolve
        if resolve is None:
            raise Unplanned("a field without a resolver")
        values = [resolve(row, info, **arguments) for row in rows]
        places = [place for place, value in enumerate(values) if isawaitable(value)]
        if len(places) == 1:
            values[places[0]] = await values[places[0]]
        elif places:
            settled = await asyncio.gather(*(values[place] for place in places), return_exceptions=True)
            for place, value in zip(places, settled, strict=True):
                if isinstance(value, BaseException):
                    raise value
                values[place] = value
        return values

    def _info(self, field: FieldPlan) -> Any:
        nodes = [details.node for details in field.details]
        path = Path(None, field.key, field.parent.name)
        return self._executor.build_resolve_info(field.definition, nodes, field.parent, path)

    async def _complete(self, shape: Shape, values: Sequence[Any], field: FieldPlan) -> list[Any]:
        """What the answer holds of a field's values, in their order."""
        there = [value for value in values if value is not None]
        if len(there) < len(values) and not shape.nullable:
            raise Unplanned("a null where none may be")
        match shape.kind:
            case Kind.LEAF if shape.serialize is not None:
                done: Sequence[Any] = list(map(shape.serialize, there))
            case Kind.LIST if shape.item is not None:
                done = await self._complete_lists(shape.item, there, field)
            case Kind.OBJECT:
                (selection,) = shape.selections.values()
                done = await self._complete_objects(selection, there, field)
            case _:
                done = await self._complete_by_type(shape, there, field)
        if len(there) == len(values):
            return list(done)
        following = iter(done)
        return [None if value is None else next(following) for value in values]

    async def _complete_lists(self, item: Shape, lists: Sequence[Any], field: FieldPlan) -> list[list[Any]]:
        if any(type(each) not in (list, tuple) for each in lists):
            raise Unplanned("a list that is none")
        done = await self._complete(item, list(chain.from_iterable(lists)), field)
        ends, place = [], 0
        for each in lists:
            ends.append(done[place : place + len(each)])
            place += len(each)
        return ends

    async def _complete_objects(
        self, selection: Selection, rows: Sequence[Any], field: FieldPlan
    ) -> list[dict[str, Any]]:
        is_type_of = selection.type.is_type_of
        if is_type_of is not None and rows:
            info = self._info(field)
            if not all(is_type_of(row, info) is True for row in rows):
                raise Unplanned("a value of another type")
        return await self.select(selection, rows)

    async def _complete_by_type(self, shape: Shape, rows: Sequence[Any], field: FieldPlan) -> list[Any]:
        """Find each value's type as graphql-core does, and answer the values of each type together."""
        if shape.abstract is None or not rows:
            return []
        resolve_type = shape.abstract.resolve_type or self._executor.type_resolver
        info = self._info(field)
        places: dict[str, list[int]] = {}
        for place, row in enumerate(rows):
            name = resolve_type(row, info, shape.abstract)
            if not isinstance(name, str):
                raise Unplanned("a value whose type is not known at once")
            places.setdefault(name, []).append(place)
        done: list[Any] = [None] * len(rows)
        for name, of_type in places.items():
            type_ = self._executor.schema.get_type(name)
            if not isinstance(type_, GraphQLObjectType) or not self._executor.schema.is_sub_type(shape.abstract, type_):
                raise Unplanned("a value of no possible type")
            selection = selected_of(self._executor, shape, type_)
            found = await self._complete_objects(selection, [rows[place] for place in of_type], field)
            for place, one in zip(of_type, found, strict=True):
                done[place] = one
        return done
