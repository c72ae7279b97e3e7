"""Lists by keyset: a page of an organization's rows, or a page for each of many parents in one statement."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.util import LRUCache
from sqlmodel import SQLModel

from app.store.query import NARROWED_MAX, Columns, Query, Relation, RowShape, any_of, parameter
from app.store.tenancy import Transaction

Row = TypeVar("Row")
TableRow = TypeVar("TableRow", bound=SQLModel)


class Key(NamedTuple):
    """A part of an order: the expression that sorts, and the row's attribute; `missing` stands for a null."""

    attribute: str
    expression: sa.ColumnElement[Any]
    missing: Any = None


class Shape(NamedTuple):
    """What makes two pages the same statement."""

    order: str
    descending: bool
    positioned: bool
    filters: frozenset[str]
    parent: str | None
    columns: Columns


class PageQuery(NamedTuple):
    """A page's statement, and what makes a row of the values that it gives; after them comes the parent's place."""

    query: Query[Any]
    row_of: Callable[[Iterable[Any]], Any]


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page: `limit` rows of an order, after a position (or before it, where `backward`).

    `columns` are the attributes that are wanted of the rows; None is all of them.
    """

    limit: int
    order: str = "created_at"
    descending: bool = True
    backward: bool = False
    position: tuple[Any, ...] | None = None
    filters: Mapping[str, Any] = field(default_factory=dict)
    columns: Columns = None


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows in the order that was asked for, and whether there are more on either side."""

    rows: list[Row]
    has_next: bool
    has_previous: bool


class Listing(Generic[TableRow]):
    """A list of one relation: its orders, its filters, and the parents that it can hang under.

    `filters` are conditions by name; each holds a parameter of the same name.
    """

    def __init__(
        self,
        relation: Relation[TableRow],
        *,
        orders: Mapping[str, Sequence[Key]],
        filters: Mapping[str, sa.ColumnElement[bool]] | None = None,
        parents: Mapping[str, sa.ColumnElement[Any]] | None = None,
        base: sa.Select[Any] | None = None,
        unfiltered_because: str | None = None,
        narrows: bool = True,
    ) -> None:
        """`base` selects other than all rows; where its columns are not the relation's own, it does not narrow."""
        self.relation = relation
        self._narrows = narrows
        self._orders = orders
        self._filters = dict(filters or {})
        self._parents = dict(parents or {})
        self._base = relation.select() if base is None else base
        self._unfiltered_because = unfiltered_because
        self._pages: LRUCache[Shape, PageQuery] = LRUCache(NARROWED_MAX)
        self._counts: dict[tuple[frozenset[str], str | None], Query[Any]] = {}

    def position(self, row: TableRow, order: str) -> tuple[Any, ...]:
        """Where a row stands in an order: what a cursor carries."""
        values = ((getattr(row, key.attribute), key.missing) for key in self._orders[order])
        return tuple(missing if value is None else value for value, missing in values)

    def attributes_of(self, order: str) -> frozenset[str]:
        """The attributes that a row's position takes."""
        return frozenset(key.attribute for key in self._orders[order])

    async def page(self, tx: Transaction, request: PageRequest) -> Page[TableRow]:
        """One page of the organization's rows."""
        query, row_of = self._page_query(request, None)
        records = await tx.fetch(query, **_parameters(request))
        return _page(list(map(row_of, records)), request)

    async def pages(
        self, tx: Transaction, parent: str, keys: Sequence[UUID], request: PageRequest
    ) -> list[Page[TableRow]]:
        """A page under each parent, in the keys' order, by one statement."""
        query, row_of = self._page_query(request, parent)
        records = await tx.fetch(query, parents=list(keys), **_parameters(request))
        rows: list[list[TableRow]] = [[] for _ in keys]
        for record in records:
            rows[record[-1] - 1].append(row_of(record))
        return [_page(each, request) for each in rows]

    async def count(self, tx: Transaction, filters: Mapping[str, Any]) -> int:
        """How many of the organization's rows meet the filters."""
        return cast("int", await tx.fetch_value(self._count_query(frozenset(filters), None), **filters))

    async def counts(self, tx: Transaction, parent: str, keys: Sequence[UUID], filters: Mapping[str, Any]) -> list[int]:
        """How many rows meet the filters under each parent, in the keys' order, by one statement."""
        query = self._count_query(frozenset(filters), parent)
        found = {record[0]: record[1] for record in await tx.fetch(query, parents=list(keys), **filters)}
        return [found.get(key, 0) for key in keys]

    def _page_query(self, request: PageRequest, parent: str | None) -> PageQuery:
        shape = Shape(
            order=request.order,
            descending=request.descending != request.backward,
            positioned=request.position is not None,
            filters=frozenset(request.filters),
            parent=parent,
            columns=request.columns if self._narrows else None,
        )
        query = self._pages.get(shape)
        if query is None:
            rows = self.relation.shape(shape.columns)
            query = self._pages[shape] = PageQuery(self._compile_page(shape, rows), rows.row_of)
        return query

    def _compile_page(self, shape: Shape, rows: RowShape) -> Query[Any]:
        statement = self._restricted(shape.filters)
        if shape.columns is not None:
            statement = statement.with_only_columns(*rows.columns, maintain_column_froms=True)
        keys = [key.expression for key in self._orders[shape.order]]
        if shape.positioned:
            at = [parameter(f"position_{index}", key.type) for index, key in enumerate(keys)]
            here, there = sa.tuple_(*keys), sa.tuple_(*at)
            statement = statement.where(here < there if shape.descending else here > there)
        statement = statement.order_by(*(key.desc() if shape.descending else key.asc() for key in keys))
        statement = statement.limit(parameter("limit", sa.Integer))
        if shape.parent is None:
            return self._query(statement)
        parents = (
            sa.func.unnest(parameter("parents", ARRAY(sa.Uuid)))
            .table_valued("key", with_ordinality="place", name="parents")
            .render_derived()
        )
        key = cast("Any", parents.c.key)
        page = statement.where(self._parents[shape.parent] == sa.type_coerce(key, sa.Uuid)).lateral("page")
        return self._query(sa.select(*page.c, parents.c.place).select_from(parents.join(page, sa.true())))

    def _count_query(self, filters: frozenset[str], parent: str | None) -> Query[Any]:
        query = self._counts.get((filters, parent))
        if query is None:
            statement = self._restricted(filters)
            if parent is None:
                statement = statement.with_only_columns(sa.func.count(), maintain_column_froms=True)
            else:
                column = self._parents[parent]
                statement = statement.with_only_columns(column, sa.func.count(), maintain_column_froms=True)
                statement = statement.where(column == any_of("parents")).group_by(column)
            query = self._counts[filters, parent] = self._query(statement)
        return query

    def _restricted(self, filters: frozenset[str]) -> sa.Select[Any]:
        return self._base.where(*(self._filters[name] for name in sorted(filters)))

    def _query(self, statement: sa.Select[Any]) -> Query[Any]:
        return Query(statement, unfiltered_because=self._unfiltered_because)


def newest_first(relation: Relation[Any], *extra: str) -> dict[str, Sequence[Key]]:
    """The order that every list has: by the instant of making, then by id."""
    names = ("created_at", *extra, "id")
    return {"created_at": [Key(name, relation.c[name]) for name in names]}


def _parameters(request: PageRequest) -> dict[str, Any]:
    position = {f"position_{index}": value for index, value in enumerate(request.position or ())}
    # One row more than the page tells whether there are more.
    return {"limit": request.limit + 1, **position, **request.filters}


def _page(found: list[Row], request: PageRequest) -> Page[Row]:
    more = len(found) > request.limit
    rows = found[: request.limit]
    arrived = request.position is not None
    if request.backward:
        return Page(rows[::-1], has_next=arrived, has_previous=more)
    return Page(rows, has_next=more, has_previous=arrived)
