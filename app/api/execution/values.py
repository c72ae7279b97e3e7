"""The values of variables, and of arguments in which variables stand, without asking graphql-core where that is plain.

Most variables are strings, ids and numbers, and are the values that were given. Whatever is not so plain, or wrong,
graphql-core coerces: all errors are its own.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Any, Final, NamedTuple

from graphql import (
    FieldNode,
    GraphQLBoolean,
    GraphQLError,
    GraphQLField,
    GraphQLID,
    GraphQLInt,
    GraphQLSchema,
    GraphQLString,
    Undefined,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    is_non_null_type,
    visit,
)
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import (
    VariableValues,
    VariableValueSource,
    coerce_argument,
    get_argument_values,
    get_variable_values,
)
from graphql.type import get_nullable_type

_CLASSES: Final[Mapping[Any, type]] = {GraphQLString: str, GraphQLID: str, GraphQLBoolean: bool, GraphQLInt: int}
"""By scalar: the class of the values that are left as they are; of integers those of 32 bits."""
_INT_MAX: Final = 2**31 - 1

_UNCHANGING: Final = (str, int, float, Decimal, datetime, Enum, NoneType)


class _Plain(NamedTuple):
    """A variable whose value is what was given, where that is of the class; or that is left out, where it may be."""

    name: str
    of: type
    source: VariableValueSource
    may_be_left_out: bool


class Variables:
    """The variables that an operation declares."""

    def __init__(self, schema: GraphQLSchema, nodes: Sequence[VariableDefinitionNode]) -> None:
        self._schema = schema
        self._nodes = nodes
        plain = [_plain(get_variable_signature(schema, node)) for node in nodes]
        self._plain = [each for each in plain if each is not None]
        self._all_plain = len(self._plain) == len(plain)

    def values(self, given: Mapping[str, Any]) -> VariableValues | None:
        """Their values; None where one is wrong: graphql-core says which."""
        values = self._plain_values(given) if self._all_plain else None
        if values is None:
            found = get_variable_values(self._schema, self._nodes, dict(given), max_errors=1)
            return None if isinstance(found, list) else found
        return values

    def _plain_values(self, given: Mapping[str, Any]) -> VariableValues | None:
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for name, of, source, may_be_left_out in self._plain:
            value = given.get(name, Undefined)
            if type(value) is of and (of is not int or -_INT_MAX - 1 <= value <= _INT_MAX):
                sources[name] = VariableValueSource(source.signature, value)
                coerced[name] = value
            elif value is Undefined and may_be_left_out:
                sources[name] = source
            else:
                return None
        return VariableValues(sources, coerced)


def _plain(signature: GraphQLVariableSignature | GraphQLError) -> _Plain | None:
    if isinstance(signature, GraphQLError):
        return None
    of = _CLASSES.get(get_nullable_type(signature.type))
    may_be_left_out = signature.default is None and not is_non_null_type(signature.type)
    return None if of is None else _Plain(signature.name, of, VariableValueSource(signature), may_be_left_out)


class Arguments:
    """The arguments of a field, of which most executions say the same."""

    def __init__(self, definition: GraphQLField, node: FieldNode, names: Mapping[str, str] | None = None) -> None:
        """`names` are others for some of them. Raises what graphql-core raises for one that is wrong in any case."""
        self._definition = definition
        self._node = node
        self._names = names or {}
        self._constant: dict[str, Any] = {}
        self._variables: list[tuple[str, str, bool]] = []
        self._is_plain = True
        given = {argument.name.value: argument for argument in node.arguments or ()}
        for name, argument in definition.args.items():
            said = given.get(name)
            if said is not None and isinstance(said.value, VariableNode):
                required = is_non_null_type(argument.type)
                self._variables.append((self._named(argument.out_name or name), said.value.name.value, required))
            elif said is not None and _has_variable(said):
                self._is_plain = False
            else:
                coerce_argument(self._constant, node, name, argument, said, None, None)
        self._constant = {self._named(name): value for name, value in self._constant.items()}
        # A resolver may do with its arguments what it likes.
        self._is_plain &= all(isinstance(value, _UNCHANGING) for value in self._constant.values())

    def values(self, variables: VariableValues) -> dict[str, Any]:
        """Their values, in a dictionary of the caller's own. Raises GraphQLError for one that is wrong."""
        if self._is_plain:
            values = dict(self._constant)
            coerced = variables.coerced
            for name, variable, required in self._variables:
                value = coerced.get(variable, Undefined)
                if value is Undefined or (value is None and required):
                    break
                values[name] = value
            else:
                return values
        values = get_argument_values(self._definition, self._node, variables)
        return {self._named(name): value for name, value in values.items()} if self._names else values

    def _named(self, name: str) -> str:
        return self._names.get(name, name)


def _has_variable(node: Any) -> bool:
    finder = _Finder()
    visit(node, finder)
    return finder.found


class _Finder(Visitor):
    found = False

    def enter_variable(self, *_: object) -> None:
        self.found = True
