"""Rows that PostgreSQL spells as JSON, for lists of which a document asks for nothing but what columns say.

The driver decodes one text of such a row, and no object is made of it: that is most of what a long list costs.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

SPELLED: Final = "spelled"
"""The attribute of a row that is its text: null where a value is that may not be."""

_NAME: Final = re.compile(r"[_A-Za-z][_0-9A-Za-z]*\Z")


class Form(Enum):
    """How a value is written; each is of columns of one type, or two."""

    STRING = auto()
    NAME = auto()
    INTEGER = auto()
    MINOR_UNITS = auto()
    BOOLEAN = auto()
    DECIMAL = auto()
    INSTANT = auto()


class Known(NamedTuple):
    """A member whose value is known: its JSON."""

    key: str
    json: str


class Value(NamedTuple):
    """A member that is an attribute of the row; of a NAME, `names` are all that there are."""

    key: str
    attribute: str
    form: Form
    nullable: bool
    names: tuple[str, ...] = ()


class Object(NamedTuple):
    """A member that is an object of attributes of the row; null where one of `required` is, if that may be."""

    key: str
    members: "tuple[Known | Value, ...]"
    nullable: bool
    required: tuple[str, ...]


Member = Known | Value | Object


@dataclass(frozen=True, slots=True)
class Spelling:
    """A row's members, in their order, and the attributes that are wanted beside its text.

    Keys are names as GraphQL's grammar has them: nothing in them needs to be escaped, and nothing else is spelled.
    """

    members: tuple[Member, ...]
    beside: frozenset[str] = frozenset()

    def union(self, names: Iterable[str]) -> "Spelling":
        """The same with more attributes beside it."""
        return replace(self, beside=self.beside.union(names))

    @property
    def attributes(self) -> frozenset[str]:
        """All that it reads of a row."""
        return self.beside.union(*map(_attributes_of, self.members))

    def expression(self, columns: Mapping[str, Any]) -> sa.ColumnElement[Any] | None:
        """The text, of a relation's columns by attribute; None where one is not of the type of its form."""
        try:
            return _joined(_object(self.members, columns))
        except _Unspeakable:
            return None


class _Unspeakable(Exception):
    """A column is not of the type that its form is for, or a key is no name."""


Part = str | sa.ColumnElement[Any]


def _attributes_of(member: Member) -> frozenset[str]:
    match member:
        case Known():
            return frozenset()
        case Value():
            return frozenset({member.attribute})
        case Object():
            return frozenset(member.required).union(*map(_attributes_of, member.members))


def _object(members: Iterable[Member], columns: Mapping[str, Any]) -> Iterator[Part]:
    yield "{"
    for place, member in enumerate(members):
        if not _NAME.match(member.key):
            raise _Unspeakable
        yield f'{"," if place else ""}"{member.key}":'
        yield from _value(member, columns)
    yield "}"


def _value(member: Member, columns: Mapping[str, Any]) -> Iterator[Part]:
    match member:
        case Known():
            yield member.json
        case Value():
            written = _written(member, columns[member.attribute])
            yield from [sa.func.coalesce(_joined(written), _NULL)] if member.nullable else written
        case Object():
            parts = _object(member.members, columns)
            missing = [columns[name].is_(None) for name in member.required]
            yield from [sa.case((sa.or_(*missing), _NULL), else_=_joined(parts))] if member.nullable else parts


def _written(value: Value, column: Any) -> Sequence[Part]:
    """The column's JSON as text; null where it is null."""
    types, write = _WRITTEN[value.form]
    if type(column.type) not in types:
        raise _Unspeakable
    return write(column, value)


def _string(column: Any, _value: Value) -> Sequence[Part]:
    return [_text(sa.func.to_json(column))]


def _plain(column: Any, _value: Value) -> Sequence[Part]:
    return [_text(column)]


def _decimal(column: Any, _value: Value) -> Sequence[Part]:
    return ['"', _text(column), '"']


def _name(column: Any, value: Value) -> Sequence[Part]:
    """What is no name of the enumeration is as null: graphql-core says what is wrong with it."""
    names = [sa.literal_column(f"'{name}'") for name in value.names]
    return ['"', sa.case((column.in_(names), column)), '"']


def _instant(column: Any, _value: Value) -> Sequence[Part]:
    """RFC 3339 in UTC; microseconds where there are any."""
    local = sa.func.timezone(sa.literal_column("'UTC'"), column)
    text = sa.func.to_char(local, sa.literal_column("""'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"""))
    return ['"', sa.func.replace(text, sa.literal_column("'.000000Z'"), sa.literal_column("'Z'")), '"']


def _text(column: Any) -> sa.ColumnElement[Any]:
    return sa.cast(column, sa.Text)


_NULL: Final = sa.literal_column("'null'")

_WRITTEN: Final[Mapping[Form, tuple[tuple[type, ...], Callable[[Any, Value], Sequence[Part]]]]] = {
    Form.STRING: ((sa.Text,), _string),
    Form.NAME: ((sa.Text,), _name),
    Form.INTEGER: ((sa.Integer,), _plain),
    Form.MINOR_UNITS: ((sa.BigInteger, sa.Integer), _plain),
    Form.BOOLEAN: ((sa.Boolean,), _plain),
    Form.DECIMAL: ((sa.Numeric,), _decimal),
    Form.INSTANT: ((sa.DateTime,), _instant),
}
"""By form: the types of its columns, and the parts that a column's text is joined of."""


def _joined(parts: Iterable[Part]) -> sa.ColumnElement[Any]:
    """One text; what stands between values is put together first."""
    texts: list[Part] = []
    for part in parts:
        if isinstance(part, str) and texts and isinstance(texts[-1], str):
            texts[-1] += part
        else:
            texts.append(part)
    first, *others = [sa.literal_column(f"'{part}'", sa.Text) if isinstance(part, str) else part for part in texts]
    for other in others:
        first = first.concat(other)
    return first
