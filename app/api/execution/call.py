"""Resolvers that a plan calls as they are: what Strawberry would do around them is found out once.

That is little for most: names of arguments, and a guard that admits the caller or does not.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import strawberry
from graphql import FieldNode, GraphQLField, GraphQLSchema, get_nullable_type, is_scalar_type
from graphql.execution.values import VariableValues
from strawberry.extensions import FieldExtension
from strawberry.types.arguments import StrawberryArgument, convert_arguments
from strawberry.types.field import StrawberryField

from app.api.execution.values import Arguments

Admit = Callable[[Any, Mapping[str, Any]], None]
"""Goes on where the context's caller may ask for a field with those arguments. Raises where it may not."""


class Parameters:
    """A field's arguments as its resolver takes them: by their names in Python, converted where that takes anything."""

    def __init__(
        self, schema: GraphQLSchema, definition: GraphQLField, field: StrawberryField, node: FieldNode
    ) -> None:
        """Raises what `Arguments` raises."""
        self._schema = cast("strawberry.Schema", schema.extensions["strawberry-definition"])
        name_of = self._schema.config.name_converter.from_argument
        types = {name_of(argument): definition.args[name_of(argument)].type for argument in field.arguments}
        names = {name_of(argument): argument.python_name for argument in field.arguments}
        as_they_are = all(is_scalar_type(get_nullable_type(type_)) for type_ in types.values())
        self._arguments = Arguments(definition, node, names if as_they_are else None)
        self._converted: list[StrawberryArgument] = [] if as_they_are else field.arguments
        self._maps = [each.map_arguments for each in field.extensions if _maps(each)]

    def of(self, variables: VariableValues, info: Any) -> dict[str, Any]:
        """What the resolver takes. Raises what a conversion raises, GraphQLError for a value that is wrong."""
        taken = self._arguments.values(variables)
        if self._converted:
            schema = self._schema
            registry = schema.schema_converter.scalar_registry
            taken = convert_arguments(taken, self._converted, scalar_registry=registry, config=schema.config, info=info)
        for change in self._maps:
            taken = change(taken)
        return taken


class Call(NamedTuple):
    """A resolver, and who is admitted to it."""

    function: Callable[..., Any]
    takes_self: bool
    info_as: str | None
    admits: Sequence[Admit]

    def value(self, row: Any, info: Any, arguments: dict[str, Any]) -> Awaitable[Any]:
        """What the resolver will give. Raises what a guard raises."""
        for admit in self.admits:
            admit(info.context, arguments)
        if self.info_as is not None:
            arguments[self.info_as] = info
        return self.function(row, **arguments) if self.takes_self else self.function(**arguments)


def call_of(field: StrawberryField) -> Call | None:
    """How a field's resolver is called; None where more stands around it than is known here: Strawberry calls it then.

    An extension that takes part in resolving must do that by its `admit` alone.
    """
    resolver = field.base_resolver
    if resolver is None or not resolver.is_async or field.permission_classes:
        return None
    if resolver.parent_parameter is not None or resolver.root_parameter is not None:
        return None
    admits = [getattr(each, "admit", None) for each in field.extensions if each.has_resolver]
    if not all(admits):
        return None
    function = cast("Any", resolver.wrapped_func)
    information = resolver.info_parameter
    return Call(
        function=getattr(function, "__func__", function),
        takes_self=resolver.self_parameter is not None,
        info_as=None if information is None else information.name,
        admits=cast("list[Admit]", admits),
    )


def _maps(extension: FieldExtension) -> bool:
    return type(extension).map_arguments is not FieldExtension.map_arguments
