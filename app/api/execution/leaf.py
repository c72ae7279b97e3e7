"""Functions that read the plain fields of a selection, generated once for each plan.

A plain field is an attribute of its parent, or what a resolver that takes the parent alone makes of it; its value is a
scalar or an enumeration. Whatever is unusual raises, and the query is answered by graphql-core instead.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from graphql import GraphQLBoolean, GraphQLInt, GraphQLLeafType, GraphQLString, Undefined

Reader = Callable[[Sequence[Any]], list[dict[str, Any]]]


class Unplanned(Exception):
    """What a plan does not answer: graphql-core does. The message says what it was."""


def reason_of(error: Exception) -> str:
    """Why a query was not answered by a plan, in one of a few sentences, whatever the client sent."""
    return str(error) if isinstance(error, Unplanned) else "an error"


class Leaf(NamedTuple):
    """A plain field: its key in the answer, its type, and how its value is read: an attribute's name, or a function."""

    key: str
    type: GraphQLLeafType
    nullable: bool
    read: str | Callable[[Any], Any]


class Constant(NamedTuple):
    """A key whose value is known to the plan: `__typename`, or a place that another field fills."""

    key: str
    value: str | None


def serializer(type_: GraphQLLeafType) -> Callable[[Any], Any]:
    """What makes an answer's value of a value; the same as graphql-core's, which refuses a null."""
    coerce = type_.coerce_output_value

    def serialize(value: Any) -> Any:
        serialized = coerce(value)
        if serialized is None or serialized is Undefined:
            raise Unplanned("a value that serializes to nothing")
        return serialized

    return serialize


def reader(cells: Sequence[Leaf | Constant]) -> Reader:
    """Compile the function that makes the answer's objects of rows, their keys in the order of the cells."""
    names: dict[str, Any] = {"Unplanned": Unplanned}
    loads, checks, items = [], [], []
    for place, cell in enumerate(cells):
        if isinstance(cell, Constant):
            items.append(f"{cell.key!r}: {cell.value!r}")
            continue
        value = f"v{place}"
        if isinstance(cell.read, str):
            loads.append(f"{value} = row.{cell.read}")
        else:
            names[f"read{place}"] = cell.read
            loads.append(f"{value} = read{place}(row)")
        if not cell.nullable:
            checks.append(f"{value} is None")
        names[f"serialize{place}"] = serializer(cell.type)
        written = _written(cell.type, value, f"serialize{place}({value})")
        items.append(f"{cell.key!r}: " + (f"None if {value} is None else ({written})" if cell.nullable else written))
    lines = ["def read(rows):", "    found = []", "    for row in rows:"]
    lines += [f"        {load}" for load in loads]
    if checks:
        lines += [f"        if {' or '.join(checks)}:", '            raise Unplanned("a null where none may be")']
    lines += ["        found.append({" + ", ".join(items) + "})", "    return found"]
    # The text holds keys that the GraphQL grammar allows, quoted, and attributes of our own types.
    exec(compile("\n".join(lines), "<plain fields>", "exec"), names)  # noqa: S102
    return names["read"]


def _written(type_: GraphQLLeafType, value: str, serialized: str) -> str:
    """An expression that spares the serializer what it would give back as it is."""
    if type_ is GraphQLString:
        return f"{value} if type({value}) is str else {serialized}"
    if type_ is GraphQLInt:
        return f"{value} if type({value}) is int and -2147483648 <= {value} <= 2147483647 else {serialized}"
    if type_ is GraphQLBoolean:
        return f"{value} if type({value}) is bool else {serialized}"
    return serialized
