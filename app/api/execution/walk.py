"""Answers a query by its plan: breadth first, each loader asked once for all parents, no future for a plain field.

Nothing here decides: permissions, arguments and resolvers are the schema's own. Any exception on the way makes the
query run again through graphql-core, in the same snapshot, so that every error, path and null is graphql-core's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import cache, cached_property, partial
from inspect import isawaitable
from itertools import chain
from typing import Any, Final, NamedTuple, cast

import strawberry
from graphql import GraphQLResolveInfo, OperationDefinitionNode
from graphql.execution import default_type_resolver
from graphql.execution.values import VariableValues

from app.api.execution.plan import FieldPlan, Kind, Plan, Selection, Shape
from app.api.execution.reader import Unplanned


class Operation(NamedTuple):
    """An operation as it is to be executed: what resolvers may ask of it."""

    schema: strawberry.Schema
    node: OperationDefinitionNode
    fragments: dict[str, Any]
    variables: VariableValues
    context: Any


def answer(operation: Operation, plan: Plan) -> Awaitable[list[dict[str, Any]]]:
    """The data of an operation by its plan, in a list of one.

    Raises what a resolver raises, Unplanned for what a plan cannot answer.
    """
    return _Walk(operation).select(plan.root, _NOTHING)


_NOTHING: Final = (None,)
"""What stands above an operation: one value, which is none."""


class _Walk:
    """One execution of a plan."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation

    async def select(self, selection: Selection, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """The answer's objects of rows of one type."""
        found = selection.read(rows)
        if rows:
            for field in selection.fields:
                if field.call is not None and len(rows) == 1:
                    info = self._strawberry_info(field)
                    values: Sequence[Any] = [await field.call.value(rows[0], info, self._arguments(field, info))]
                else:
                    values = await self._values(field, rows)
                if field.plain is not None and None not in values:
                    self._check_types(field.plain, values, field)
                    completed: Sequence[Any] = field.plain.read(values)
                else:
                    completed = await self._complete(field.shape, values, field)
                key = field.key
                for one, value in zip(found, completed, strict=True):
                    one[key] = value
        return found

    async def _values(self, field: FieldPlan, rows: Sequence[Any]) -> Sequence[Any]:
        if field.batch is not None:
            keys = list(map(field.batch.key_of, rows))
            if None in keys:
                wanted = [key for key in keys if key is not None]
                found = iter(await self._loader(field).load_together(wanted) if wanted else ())
                return [None if key is None else next(found) for key in keys]
            return await self._loader(field).load_together(keys)
        if field.read is not None:
            return list(map(field.read, rows))
        return await self._resolved(field, rows)

    def _loader(self, field: FieldPlan) -> Any:
        batch = cast("Any", field.batch)
        if not batch.takes_arguments:
            return self._operation.context.loaders.get(batch.loader)
        info = self._strawberry_info(field)
        return batch.loader(info, **self._arguments(field, info))

    async def _resolved(self, field: FieldPlan, rows: Sequence[Any]) -> list[Any]:
        """Resolve through Strawberry's own resolver, with its permissions and extensions."""
        resolve = field.definition.resolve
        if resolve is None:
            raise Unplanned("a field without a resolver")
        info = self._info(field)
        variables = self._operation.variables
        values = [resolve(row, info, **field.arguments.values(variables)) for row in rows]
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

    def _arguments(self, field: FieldPlan, info: Any) -> dict[str, Any]:
        """The field's arguments as its resolver takes them."""
        return field.parameters.of(self._operation.variables, info)

    def _strawberry_info(self, field: FieldPlan) -> Any:
        info_class = self._operation.schema.config.info_class
        return _late(info_class)(self._operation.context, field.strawberry, partial(self._info, field))

    def _info(self, field: FieldPlan) -> GraphQLResolveInfo:
        operation = self._operation
        return GraphQLResolveInfo(
            *field.told,
            schema=operation.schema._schema,  # noqa: SLF001 - Strawberry shows no schema
            fragments=operation.fragments,
            root_value=None,
            operation=operation.node,
            variable_values=operation.variables,
            context=operation.context,
            is_awaitable=cast("Any", isawaitable),
            abort_signal=None,
            async_helpers=cast("Any", None),
        )

    async def _complete(self, shape: Shape, values: Sequence[Any], field: FieldPlan) -> Sequence[Any]:
        """What the answer holds of a field's values, in their order."""
        if None not in values:
            return await self._complete_all(shape, values, field)
        if not shape.nullable:
            raise Unplanned("a null where none may be")
        there = [value for value in values if value is not None]
        following = iter(await self._complete_all(shape, there, field) if there else ())
        return [None if value is None else next(following) for value in values]

    async def _complete_all(self, shape: Shape, values: Sequence[Any], field: FieldPlan) -> Sequence[Any]:
        match shape.kind:
            case Kind.LEAF if shape.serialize is not None:
                return list(map(shape.serialize, values))
            case Kind.LIST if shape.item is not None:
                return await self._complete_lists(shape.item, values, field)
            case Kind.OBJECT:
                (selection,) = shape.selections.values()
                return await self._complete_objects(selection, values, field)
            case _:
                return await self._complete_by_type(shape, values, field)

    async def _complete_lists(self, item: Shape, lists: Sequence[Any], field: FieldPlan) -> list[Sequence[Any]]:
        if not set(map(type, lists)) <= {list, tuple}:
            raise Unplanned("a list that is none")
        if len(lists) == 1:
            return [await self._complete(item, lists[0], field)]
        selection = item.plain
        if selection is not None and not item.nullable:
            self._check_types(selection, chain.from_iterable(lists), field)
            return list(map(selection.read, lists))
        done = await self._complete(item, list(chain.from_iterable(lists)), field)
        ends, place = [], 0
        for each in lists:
            ends.append(done[place : place + len(each)])
            place += len(each)
        return ends

    async def _complete_objects(
        self, selection: Selection, rows: Sequence[Any], field: FieldPlan
    ) -> list[dict[str, Any]]:
        self._check_types(selection, rows, field)
        return await self.select(selection, rows)

    def _check_types(self, selection: Selection, rows: Iterable[Any], field: FieldPlan) -> None:
        """Go on where each row is of the type. That is said by a row's class alone, so one of each class is asked."""
        is_type_of = selection.type.is_type_of
        if is_type_of is not None:
            info = self._info(field)
            for row in {type(row): row for row in rows}.values():
                if is_type_of(row, info) is not True:
                    raise Unplanned("a value of another type")

    async def _complete_by_type(self, shape: Shape, rows: Sequence[Any], field: FieldPlan) -> list[Any]:
        """Find each value's type as graphql-core does, and answer the values of each type together."""
        abstract = cast("Any", shape.abstract)
        resolve_type = abstract.resolve_type or default_type_resolver
        info = self._info(field)
        places: dict[str, list[int]] = {}
        for place, row in enumerate(rows):
            name = resolve_type(row, info, abstract)
            if not isinstance(name, str) or name not in shape.selections:
                raise Unplanned("a value whose type is not known at once")
            places.setdefault(name, []).append(place)
        done: list[Any] = [None] * len(rows)
        for name, of_type in places.items():
            found = await self._complete_objects(shape.selections[name], [rows[place] for place in of_type], field)
            for place, one in zip(of_type, found, strict=True):
                done[place] = one
        return done


@cache
def _late(info_class: type[strawberry.Info]) -> Any:
    """An info that asks for graphql-core's own once somebody wants more of it than the context: few resolvers do."""

    class Late(cast("Any", info_class)):
        def __init__(self, context: Any, field: Any, raw_info: Callable[[], GraphQLResolveInfo]) -> None:
            self._late = context, raw_info
            self._field = field

        @property
        def context(self) -> Any:
            return self._late[0]

        @cached_property
        def _raw_info(self) -> GraphQLResolveInfo:  # type: ignore[override]
            return self._late[1]()

    return Late
