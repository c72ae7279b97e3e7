"""Functions that read the plain fields of a selection, generated once for each plan.

A plain field takes its parent alone: its value is an attribute of it, or what a function makes of it; a scalar or an
enumeration, or an object of which only plain fields are asked for. Whatever is unusual raises, and the query is
answered by graphql-core instead.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from inspect import isawaitable
from typing import Any, Final, NamedTuple, NoReturn, cast

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLString,
    Undefined,
)
from orjson import Fragment

from app.api.scalars import shown_decimal
from app.domain.period import shown
from app.store.spelling import Form, Known, Member, Object, Spelling, Value

Read = str | Callable[[Any], Any]
"""How a value is had of its parent: an attribute's name, or a function."""

Reader = Callable[[Sequence[Any]], list[Any]]


class Unplanned(Exception):
    """What a plan does not answer: graphql-core does. The message says what it was."""


def reason_of(error: Exception) -> str:
    """Why a query was not answered by a plan, in one of a few sentences, whatever the client sent."""
    return str(error) if isinstance(error, Unplanned) else "an error"


class Constant(NamedTuple):
    """A key whose value is known to the plan: `__typename`, or a place that another field fills."""

    key: str
    value: str | None


class Leaf(NamedTuple):
    """A scalar or an enumeration. Where it is a record's id, `id_of` is the one attribute that its function reads."""

    key: str
    nullable: bool
    read: Read
    type: GraphQLLeafType
    id_of: str | None = None


class Inline(NamedTuple):
    """An object of which only plain fields are asked for.

    Where `attributes` are given, it is not made at all: its own attributes are the parent's, by these names, and it is
    null where one of them is.
    """

    key: str
    nullable: bool
    read: Read
    cells: "Sequence[Cell]"
    attributes: Mapping[str, str] | None = None

    @property
    def attributes_read(self) -> frozenset[str]:
        """The parent's attributes that it reads where it is not made: all that may be null, else those asked for."""
        attributes = self.attributes or {}
        if self.nullable:
            return frozenset(attributes.values())
        return frozenset(attributes[str(cell.read)] for cell in self.cells if isinstance(cell, Leaf))


Cell = Constant | Leaf | Inline


def reader(cells: Sequence[Cell]) -> Reader:
    """Compile the function that makes the answer's objects of rows, their keys in the order of the cells."""
    text = _Text()
    written = text.objects(cells, "row", None)
    lines = ["def read(rows):", "    found = []", "    append = found.append", "    for row in rows:"]
    lines += [f"        append({written})", "    return found"]
    # The text holds keys that the GraphQL grammar allows, quoted, and attributes of our own types.
    exec(compile("\n".join(lines), "<plain fields>", "exec"), text.names)  # noqa: S102
    return text.names["read"]


_GAP: Final = "\x01"
"""Where an id is to be put into a text: PostgreSQL writes this character of a value as an escape."""


def either(read: Reader, cells: Sequence[Cell]) -> Reader:
    """What gives the objects of rows as they are spelled, where they are; else as `read` does."""
    ids = [cast("Callable[[Any], str]", cell.read) for cell in cells if isinstance(cell, Leaf) and cell.id_of]

    def read_either(rows: Sequence[Any]) -> list[Any]:
        if not rows or not getattr(rows[0].__class__, "spells", None):
            return read(rows)
        texts = [row.spelled for row in rows]
        if None in texts:
            _null()
        for id_of in ids[:1]:
            texts = [text.replace(_GAP, id_of(row)) for text, row in zip(texts, rows, strict=True)]
        return list(map(Fragment, texts))

    return read_either


def spelling_of(cells: Sequence[Cell]) -> Spelling | None:
    """How PostgreSQL spells rows with these cells; None where one of them is more than a column.

    An id is no column as it is shown: its place is left open in the text, and what it is made of is wanted beside it.
    """
    members = [_member(cell, None) for cell in cells]
    if None in members:
        return None
    beside = frozenset(cell.id_of for cell in cells if isinstance(cell, Leaf) and cell.id_of is not None)
    return Spelling(tuple(cast("list[Member]", members)), beside) if len(beside) <= 1 else None


def _member(cell: Cell, attributes: Mapping[str, str] | None) -> Member | None:
    match cell:
        case Constant(value=None):
            return None
        case Constant():
            return Known(cell.key, f'"{cell.value}"')
        case Leaf(id_of=str()):
            return Known(cell.key, f'"{_GAP}"')
        case Leaf(read=str()):
            form = _form(cell.type)
            attribute = str(cell.read) if attributes is None else attributes[str(cell.read)]
            names = tuple(cell.type.values) if isinstance(cell.type, GraphQLEnumType) else ()
            return None if form is None else Value(cell.key, attribute, form, cell.nullable, names)
        case Inline(attributes=Mapping() as embedded) if attributes is None:
            members = [_member(each, embedded) for each in cell.cells]
            required = tuple(embedded.values()) if cell.nullable else ()
            known = tuple(cast("list[Known | Value]", members))
            return None if None in members else Object(cell.key, known, cell.nullable, required)
        case _:
            return None


def _form(type_: GraphQLLeafType) -> Form | None:
    """How PostgreSQL writes what a scalar or an enumeration serializes; None where it cannot."""
    if isinstance(type_, GraphQLEnumType):
        return Form.NAME if all(each.value == name for name, each in type_.values.items()) else None
    return _FORMS.get(cast("Any", type_.coerce_output_value))


def serializer(type_: GraphQLLeafType) -> Callable[[Any], Any]:
    """What makes an answer's value of a value; the same as graphql-core's, which refuses a null."""
    coerce = type_.coerce_output_value

    def serialize(value: Any) -> Any:
        if value.__class__ not in _THERE and (isinstance(value, Exception) or isawaitable(value)):
            raise Unplanned("a value that is an error, or not there yet")
        serialized = None if value is None else coerce(value)
        if serialized is None or serialized is Undefined:
            raise Unplanned("a null where none may be")
        return serialized

    return serialize


_THERE: Final = frozenset({bool, datetime, Decimal, dict, float, int, list, str})
"""The classes of most values, which need no second look."""

_KEPT: Final = {
    GraphQLString.coerce_output_value: "str",
    GraphQLID.coerce_output_value: "str",
    GraphQLBoolean.coerce_output_value: "bool",
    str: "str",
    int: "int",
    dict: "dict",
}
"""By how a scalar serializes: the class of the values that it leaves as they are."""


_FORMS: Final[Mapping[Any, Form]] = {
    GraphQLString.coerce_output_value: Form.STRING,
    GraphQLID.coerce_output_value: Form.STRING,
    GraphQLInt.coerce_output_value: Form.INTEGER,
    GraphQLBoolean.coerce_output_value: Form.BOOLEAN,
    shown_decimal: Form.DECIMAL,
    shown: Form.INSTANT,
    int: Form.MINOR_UNITS,
    str: Form.STRING,
}
"""By how a scalar serializes: how PostgreSQL writes the same."""


def _null(*_: object) -> NoReturn:
    raise Unplanned("a null where none may be")


@dataclass
class _Text:
    """The text of a function, and what it names."""

    names: dict[str, Any] = field(default_factory=lambda: {"null": _null})

    def objects(self, cells: Sequence[Cell], row: str, attributes: Mapping[str, str] | None) -> str:
        """An expression for the answer's object of a row."""
        return "{" + ", ".join(f"{cell.key!r}: {self._value(cell, row, attributes)}" for cell in cells) + "}"

    def _value(self, cell: Cell, row: str, attributes: Mapping[str, str] | None) -> str:
        match cell:
            case Constant():
                return repr(cell.value)
            case Leaf():
                return self._leaf(cell, self._source(cell.read, row, attributes))
            case Inline():
                return self._inline(cell, row, attributes)

    def _source(self, read: Read, row: str, attributes: Mapping[str, str] | None) -> str:
        if isinstance(read, str):
            return f"{row}.{read if attributes is None else attributes[read]}"
        return f"{self._named('read', read)}({row})"

    def _leaf(self, cell: Leaf, source: str) -> str:
        serialize = self._named("serialize", serializer(cell.type))
        value = f"v{len(self.names)}"
        if not cell.nullable:
            return self._known(cell.type, value, f"{value} := {source}", serialize) or f"{serialize}({source})"
        known = self._known(cell.type, value, value, serialize) or f"{serialize}({value})"
        return f"(None if ({value} := {source}) is None else {known})"

    def _known(self, type_: GraphQLLeafType, value: str, first: str, serialize: str) -> str | None:
        """An expression that spares the serializer what it would give back as it is."""
        if isinstance(type_, GraphQLEnumType):
            names = {each.value: name for name, each in type_.values.items()}
            return f"({self._named('names', names)}.get({first}) or {serialize}({value}))"
        if type_ is GraphQLInt:
            return (
                f"({value} if type({first}) is int and -2147483648 <= {value} <= 2147483647 else {serialize}({value}))"
            )
        coerce = cast("Any", type_.coerce_output_value)
        kept = _KEPT.get(coerce)
        if kept is not None:
            return f"({value} if type({first}) is {kept} else {serialize}({value}))"
        if coerce in (shown, shown_decimal):
            written = self._named("shown", coerce)
            return f"({written}({value}) if ({first}) is not None else null())"
        return None

    def _inline(self, cell: Inline, row: str, attributes: Mapping[str, str] | None) -> str:
        otherwise = "None" if cell.nullable else "null()"
        if cell.attributes is not None and attributes is None:
            made = self.objects(cell.cells, row, cell.attributes)
            if not cell.nullable:
                return made
            missing = " or ".join(f"{row}.{name} is None" for name in cell.attributes.values())
            return f"(None if {missing} else {made})"
        source, one = self._source(cell.read, row, attributes), self._named("one", None)
        return f"({otherwise} if ({one} := {source}) is None else {self.objects(cell.cells, one, None)})"

    def _named(self, kind: str, value: Any) -> str:
        name = f"{kind}{len(self.names)}"
        self.names[name] = value
        return name
