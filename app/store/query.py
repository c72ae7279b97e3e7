"""Statements, compiled once and run on asyncpg: each names its organization in its own words.

Row security is the floor; the explicit filter lets the planner use tenant-first indexes and prune partitions.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast
from uuid import UUID

import sqlalchemy as sa
import uuid_utils.compat
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.util import LRUCache, ReadOnlyProperties
from sqlmodel import SQLModel

from app.store.spelling import SPELLED, Spelling

Row = TypeVar("Row")
TableRow = TypeVar("TableRow", bound=SQLModel)

TENANT: Final = "organization_id"

NARROWED_MAX: Final = 256
"""In how many selections of its columns a select is remembered: documents choose them."""

_DIALECT = asyncpg_dialect()


class MissingTenantFilter(Exception):
    """A statement on business tables does not name its organization."""


def new_id() -> UUID:
    """A UUIDv7, later than every one that this process made before."""
    return uuid_utils.compat.uuid7()


class Query(Generic[Row]):
    """One compiled statement. Its parameters are named; `organization_id` is given by the transaction that runs it.

    `row` makes what callers read of a record's values; without it, they read plain records.
    Raises MissingTenantFilter when made of a statement that does not use :organization_id, unless it is said why.
    """

    __slots__ = ("_defaults", "names", "row", "sql")

    def __init__(
        self,
        statement: sa.Executable | str,
        row: Callable[[Iterable[Any]], Row] | None = None,
        *,
        unfiltered_because: str | None = None,
    ) -> None:
        clause = sa.text(statement) if isinstance(statement, str) else statement
        compiled = cast("Any", clause).compile(dialect=_DIALECT)
        self.sql: str = compiled.string
        self.names: tuple[str, ...] = tuple(compiled.positiontup or ())
        self.row = row
        self._defaults = {name: value for name, value in compiled.params.items() if value is not None}
        if TENANT not in self.names and unfiltered_because is None:
            raise MissingTenantFilter(self.sql)

    def arguments(self, parameters: dict[str, Any]) -> list[Any]:
        """The parameters in the order in which the statement numbers them. Raises KeyError for one left out."""
        known = self._defaults | parameters if self._defaults else parameters
        return [known[name] for name in self.names]


def parameter(name: str, type_: sa.types.TypeEngine[Any] | type[sa.types.TypeEngine[Any]] | None = None) -> Any:
    """A named parameter of a statement."""
    return sa.bindparam(name, type_=cast("Any", type_))


def any_of(name: str, type_: type[sa.types.TypeEngine[Any]] = sa.Uuid) -> Any:
    """Make the right side of `column == any_of`: one parameter, however many values."""
    return sa.any_(sa.bindparam(name, type_=ARRAY(type_)))


Columns = frozenset[str] | Spelling | None
"""The attributes that are wanted of rows; None is all of them. Or rows that are spelled (see `spelling.py`)."""


class RowsQuery(Query[TableRow]):
    """A select of a relation's rows, which can be had with fewer columns."""

    __slots__ = ("_narrowed", "_relation", "_statement")

    def __init__(self, relation: "Relation[TableRow]", statement: sa.Select[Any]) -> None:
        super().__init__(statement, relation.row_of)
        self._relation = relation
        self._statement = statement
        self._narrowed: LRUCache[Columns, Query[TableRow]] = LRUCache(NARROWED_MAX)

    def of(self, columns: Columns) -> Query[TableRow]:
        """The same select, of no more than those columns and the organization's, or of rows that are spelled."""
        if columns is None:
            return self
        query = self._narrowed.get(columns)
        if query is None:
            shape = self._relation.shape(columns)
            statement = self._statement.with_only_columns(*shape.columns, maintain_column_froms=True)
            query = self._narrowed[columns] = Query(statement, shape.row_of)
        return query


class RowShape(NamedTuple):
    """Some columns of a relation, and what makes a row of their values."""

    columns: list[sa.ColumnElement[Any]]
    row_of: Callable[[Iterable[Any]], Any]


class Relation(Generic[TableRow]):
    """A table to be read and written: selects that bear the tenant's filter, and rows with the table's attributes.

    A row is a tuple, not an entity: nothing tracks it, nothing loads lazily. To the type checker it is the table class,
    whose attributes it has, so that columns are declared once. A row that was read with fewer columns lacks the others.
    """

    def __init__(self, table: type[TableRow], computed: Callable[[Any], dict[str, Any]] = lambda _columns: {}) -> None:
        """`computed` gives, by attribute, what is read in place of the stored column."""
        self.name = table.__name__
        self.table: sa.Table = cast("Any", table).__table__
        attributes = sa.inspect(table).column_attrs
        self.names: dict[str, str] = {attribute.key: attribute.columns[0].name for attribute in attributes}
        columns = {attribute.key: attribute.columns[0] for attribute in attributes}
        self.written = [key for key, column in columns.items() if column.computed is None]
        self.c = ReadOnlyProperties(columns)
        self.row: type[TableRow] = cast("type[TableRow]", type(f"{table.__name__}Row", (tuple,), {"__slots__": ()}))
        self.row_of: Callable[[Iterable[Any]], TableRow] = self._maker(self.names)
        self.in_tenant = self.c[TENANT] == parameter(TENANT, sa.Uuid)
        self.computed = computed(self.c)
        self.columns = [self.computed.get(name, self.c[name]).label(name) for name in self.names]
        self._shapes: LRUCache[Columns, RowShape] = LRUCache(NARROWED_MAX)

    def shape(self, columns: Columns) -> RowShape:
        """Those columns and the organization's; all of them where one is asked for that is none.

        Rows that cannot be spelled have the columns that their text would be made of.
        """
        shape = self._shapes.get(columns)
        if shape is None:
            spelled = self._spelled(columns) if isinstance(columns, Spelling) else None
            attributes = columns.attributes if isinstance(columns, Spelling) else columns
            shape = self._shapes[columns] = spelled or self._narrow(attributes)
        return shape

    def _narrow(self, attributes: frozenset[str] | None) -> RowShape:
        known = attributes is not None and attributes <= self.names.keys()
        wanted = {TENANT, *attributes} if attributes is not None and known else set(self.names)
        names = [name for name in self.names if name in wanted]
        return RowShape([part for part in self.columns if part.name in wanted], self._maker(names))

    def _spelled(self, spelling: Spelling) -> RowShape | None:
        if not spelling.attributes <= self.names.keys():
            return None
        text = spelling.expression({name: self.computed.get(name, self.c[name]) for name in spelling.attributes})
        if text is None:
            return None
        columns, _ = self._narrow(spelling.beside)
        names = [*(column.name for column in columns), SPELLED]
        return RowShape([*columns, text.label(SPELLED)], self._maker(names, spells=spelling.attributes))

    def _maker(self, names: Iterable[str], spells: frozenset[str] = frozenset()) -> Callable[[Iterable[Any]], TableRow]:
        """What makes rows of those attributes; each is a `row`, however many attributes it has."""
        made = type(
            self.row.__name__, (self.row, namedtuple("Values", list(names))), {"__slots__": (), "spells": spells}
        )
        return cast("Any", partial(tuple.__new__, made))  # as its `_make`, without a call in Python

    def select(self, *conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
        """Select the organization's rows that meet the conditions."""
        return sa.select(*self.columns).where(self.in_tenant, *conditions)

    def query(self, statement: sa.Executable) -> Query[TableRow]:
        """Compile what gives this table's columns, in their order, into a query that gives rows."""
        return Query(statement, self.row_of)

    def where(self, *conditions: sa.ColumnElement[bool]) -> RowsQuery[TableRow]:
        """Compile the select of the rows that meet the conditions."""
        return self.rows(self.select(*conditions))

    def rows(self, statement: sa.Select[Any]) -> RowsQuery[TableRow]:
        """Compile a select of this table's rows, which can be had with fewer columns."""
        return RowsQuery(self, statement)

    def insert(self, *, or_skip: bool = False) -> Query[TableRow]:
        """Compile the insert of one whole row; its parameters are the attributes. `or_skip` skips one that is there."""
        names = {self.names[key]: parameter(key, self.c[key].type) for key in self.written}
        statement = insert(self.table).values(names)
        return self.query(statement.on_conflict_do_nothing() if or_skip else statement)

    def update(self, *attributes: str) -> Query[TableRow]:
        """Compile the update of those attributes of the row with the id :id."""
        values = {self.names[key]: parameter(key, self.c[key].type) for key in attributes}
        return self.query(
            sa.update(self.table).where(self.in_tenant, self.c["id"] == parameter("id", sa.Uuid)).values(values)
        )

    def insert_many(self) -> Query[TableRow]:
        """Compile the insert of any number of whole rows at once; its parameters are lists (see `columns_of`)."""
        given = self._given(key for key in self.written if key != TENANT)
        rows = sa.select(parameter(TENANT, sa.Uuid), *given.c)
        return self.query(insert(self.table).from_select([TENANT, *given.c.keys()], rows))

    def update_many(self, *attributes: str) -> Query[TableRow]:
        """Compile the update of those attributes of many rows at once; its parameters are lists, `id` among them."""
        given = self._given(("id", *attributes))
        values = {self.names[key]: given.c[self.names[key]] for key in attributes}
        return self.query(sa.update(self.table).where(self.in_tenant, self.c["id"] == given.c["id"]).values(values))

    def _given(self, attributes: Iterable[str]) -> Any:
        """Rows that come as one list for each attribute."""
        keys = tuple(attributes)
        lists = (parameter(key, ARRAY(self.c[key].type)) for key in keys)
        columns = (sa.column(self.names[key], self.c[key].type) for key in keys)
        return sa.func.unnest(*lists).table_valued(*columns, name="given").render_derived()

    def delete(self, *conditions: sa.ColumnElement[bool]) -> Query[TableRow]:
        """Compile the deletion of the organization's rows that meet the conditions."""
        return self.query(sa.delete(self.table).where(self.in_tenant, *conditions))


def columns_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows, one or more with the same attributes, as what `insert_many` and `update_many` take: lists by attribute."""
    return {key: [row[key] for row in rows] for key in rows[0]}


def in_order_of(keys: Sequence[UUID], rows: Iterable[Row], key: Callable[[Row], UUID]) -> list[Row | None]:
    """The row of each key, in the keys' order; None where there is none."""
    found = {key(row): row for row in rows}
    return [found.get(wanted) for wanted in keys]


def grouped(keys: Sequence[UUID], rows: Iterable[Row], key: Callable[[Row], UUID]) -> list[list[Row]]:
    """The rows of each key, in the keys' order; rows keep theirs."""
    groups: dict[UUID, list[Row]] = {wanted: [] for wanted in keys}
    for row in rows:
        groups[key(row)].append(row)
    return [groups[wanted] for wanted in keys]
