"""Relay connections over keysets. A cursor is signed and bound to its organization, field, filter and order."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import orjson
import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.extensions import FieldExtension
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.field import StrawberryField

from app.api.errors import BadUserInput
from app.api.tenancy import Info
from app.store.page import Listing, Page, PageRequest
from app.store.query import Columns

PAGE_DEFAULT: Final = 20
PAGE_MAX: Final = 100
_MAC_BYTES: Final = 16
_CURSOR_MAX: Final = 1_000

Row = TypeVar("Row")
NodeType = TypeVar("NodeType")


@dataclass(frozen=True, slots=True)
class PageArguments:
    """`first` with `after`, or `last` with `before`; 20 rows where both are left out."""

    first: int | None
    after: str | None
    last: int | None
    before: str | None

    @property
    def backward(self) -> bool:
        """Whether the page is counted from the end."""
        return self.last is not None or (self.first is None and self.before is not None)

    @property
    def limit(self) -> int:
        """How many rows. Raises BadUserInput out of 1 to 100, and for arguments that do not go together."""
        if self.first is not None and self.last is not None:
            raise BadUserInput("Give `first` or `last`, not both.")
        if self.after is not None and self.before is not None:
            raise BadUserInput("Give `after` or `before`, not both.")
        if (self.last is not None and self.after is not None) or (self.first is not None and self.before is not None):
            raise BadUserInput("`first` goes with `after`, `last` with `before`.")
        for name, value in (("first", self.first), ("last", self.last)):
            if value is not None and not 1 <= value <= PAGE_MAX:
                raise BadUserInput(f"`{name}` is from 1 to {PAGE_MAX}.")
        return self.first or self.last or PAGE_DEFAULT


class Paged(FieldExtension):
    """Gives a connection field its four arguments, and its resolver them as one: `page`. Describes what lists share."""

    def apply(self, field: StrawberryField) -> None:
        """Put the four where the resolver says `page`."""
        arguments = []
        for argument in field.arguments:
            argument.description = argument.description or _SHARED.get(argument.python_name)
            arguments += _PAGE if argument.python_name == "page" else [argument]
        field.arguments = arguments

    def map_arguments(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Give the resolver its page; an argument that is null counts as left out."""
        page = PageArguments(**{argument.python_name: kwargs.pop(argument.python_name, None) for argument in _PAGE})
        return {**kwargs, "page": page}


_SHARED: Final = {
    "filter": "Which of them: all where it is left out.",
    "order_by": "Which of them come first: the newest where it is left out.",
}

_PAGE: Final = [
    StrawberryArgument(
        python_name=name, graphql_name=None, type_annotation=StrawberryAnnotation(type_ | None), description=text
    )
    for name, type_, text in (
        ("first", int, "How many, from the start or after a cursor: 1 to 100, 20 where it is left out."),
        ("after", str, "Go on after this cursor."),
        ("last", int, "How many, from the end or before a cursor: 1 to 100."),
        ("before", str, "Go back from this cursor."),
    )
]


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What a connection field asks for: its page, its order, its filters (null ones left out)."""

    page: PageArguments
    filters: Mapping[str, Any]
    order: str = "created_at"
    descending: bool = True


class Listed:
    """A list as a connection field asks for it. Signs the cursors of its rows, and opens no others.

    A cursor is bound to the organization, the field, its filter and its order.
    """

    def __init__(self, info: Info, listing: Listing[Any], request: ListRequest, parent: str | None = None) -> None:
        """`parent` names what the list hangs under. Raises BadUserInput."""
        self.listing = listing
        self.parent = parent
        self._context = info.context
        self._field = (info._raw_info.parent_type.name, info.field_name)  # noqa: SLF001 - Strawberry shows no parent type
        self._request = request
        arguments = request.page
        limit = arguments.limit
        cursor = arguments.before if arguments.backward else arguments.after
        self.page = PageRequest(
            limit=limit,
            order=request.order,
            descending=request.descending,
            backward=arguments.backward,
            position=None if cursor is None else self._position(cursor),
            filters=request.filters,
            columns=self._columns(),
        )

    def _columns(self) -> Columns:
        """What is read of the rows; with what their cursors take, where the document asks for cursors."""
        name = self.listing.relation.name
        asks = self._context.reading.keys() & {"PageInfo", f"{name}Edge"}
        return self._context.columns(name, *(self.listing.attributes_of(self._request.order) if asks else ()))

    def cursor(self, row: Any) -> str:
        """A row's cursor."""
        position = self.listing.position(row, self._request.order)
        payload = orjson.dumps([_tagged(value) for value in position])
        return base64.urlsafe_b64encode(self._mac(payload) + payload).decode().rstrip("=")

    async def count(self, key: UUID | None) -> int:
        """How many rows the whole list has, under a parent where it hangs under one."""
        filters = self._request.filters
        if self.parent is None or key is None:
            return await self.listing.count(await self._context.db.snapshot(), filters)
        return await self._context.loaders.count_under(self.listing, self.parent, filters).load(key)

    def _position(self, cursor: str) -> tuple[Any, ...]:
        """The position of a cursor. Raises BadUserInput, the same for whatever is wrong with it."""
        try:
            if len(cursor) > _CURSOR_MAX:
                raise ValueError
            content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            mac, payload = content[:_MAC_BYTES], content[_MAC_BYTES:]
            if not hmac.compare_digest(mac, self._mac(payload)):
                raise ValueError
            return tuple(_untagged(value) for value in orjson.loads(payload))
        except ValueError as error:
            raise BadUserInput("The cursor does not belong to this list.") from error

    @cached_property
    def _shape(self) -> bytes:
        shape = {
            "field": ".".join(self._field),
            "organization": str(self._context.tenant.organization_id),
            "filters": {name: _plain(value) for name, value in sorted(self._request.filters.items())},
            "order": [self._request.order, self._request.descending],
        }
        return orjson.dumps(shape, option=orjson.OPT_SORT_KEYS)

    def _mac(self, payload: bytes) -> bytes:
        secret = self._context.cursor_secret.encode()
        return hmac.digest(secret, self._shape + b"\n" + payload, hashlib.sha256)[:_MAC_BYTES]


@strawberry.type(description="About a page of a list: is there more, and where it begins and ends.")
class PageInfo:
    """Where a page begins and ends."""

    has_next_page: bool = strawberry.field(description="Whether more follow this page.")
    has_previous_page: bool = strawberry.field(description="Whether there are some before this page.")
    start_cursor: str | None = strawberry.field(description="The first row's cursor; null where the page is empty.")
    end_cursor: str | None = strawberry.field(description="The last row's cursor; null where the page is empty.")


@strawberry.type(description="A row of a list, and its place in it.")
class Edge(Generic[NodeType]):
    """A row and its cursor."""

    node: NodeType = strawberry.field(description="The row.")
    cursor: str = strawberry.field(description="Give it as `after` or `before` to go on from here.")


class ConnectionPage:
    """A page that was read, as the fields of a connection need it."""

    __slots__ = ("key", "listed", "nodes", "page")

    def __init__(self, page: Page[Any], listed: Listed, key: UUID | None = None) -> None:
        """`key` is the parent's, where the list hangs under one."""
        self.page, self.listed, self.key = page, listed, key
        self.nodes = page.rows

    def cursor(self, row: Any) -> str:
        """A row's cursor."""
        return self.listed.cursor(row)


@strawberry.type(description="A page of a list, by keyset: `first` (or `last`) up to 100, 20 where both are left out.")
class Connection(Generic[NodeType]):
    """A page of a list."""

    nodes: list[NodeType] = strawberry.field(description="The rows, without their cursors.")

    @strawberry.field(description="The rows with their cursors.")
    def edges(connection: strawberry.Parent[ConnectionPage]) -> list[Edge[NodeType]]:
        """Pair each row with its cursor."""
        return [Edge(node=row, cursor=connection.cursor(row)) for row in connection.nodes]

    @strawberry.field(description="Is there more, and where this page begins and ends.")
    def page_info(connection: strawberry.Parent[ConnectionPage]) -> PageInfo:
        """Tell about the page."""
        rows = connection.nodes
        return PageInfo(
            has_next_page=connection.page.has_next,
            has_previous_page=connection.page.has_previous,
            start_cursor=connection.cursor(rows[0]) if rows else None,
            end_cursor=connection.cursor(rows[-1]) if rows else None,
        )

    @strawberry.field(description="How many rows the whole list has; counted only when asked for.")
    async def total_count(connection: strawberry.Parent[ConnectionPage]) -> int:
        """Count."""
        return await connection.listed.count(connection.key)


async def connection_of(info: Info, listing: Listing[Any], request: ListRequest) -> Any:
    """A page of one of the organization's lists. Raises BadUserInput."""
    listed = Listed(info, listing, request)
    tx = await info.context.db.snapshot()
    return ConnectionPage(await listing.page(tx, listed.page), listed)


class ConnectionsUnder:
    """Loads the page of a list under each parent: one statement for all parents that ask for the same page."""

    def __init__(self, info: Info, listing: Listing[Any], request: ListRequest, parent: str) -> None:
        """Raises BadUserInput."""
        self._listed = Listed(info, listing, request, parent)
        self._pages = info.context.loaders.page_under(listing, parent, self._listed.page)

    async def load(self, key: UUID) -> ConnectionPage:
        """The page under a parent."""
        return ConnectionPage(await self._pages.load(key), self._listed, key)

    async def load_together(self, keys: Sequence[UUID]) -> list[ConnectionPage]:
        """The page under each parent, in their order."""
        pages = await self._pages.load_together(keys)
        return [ConnectionPage(page, self._listed, key) for page, key in zip(pages, keys, strict=True)]


def _plain(value: Any) -> Any:
    return sorted(str(item) for item in value) if isinstance(value, list) else str(value)


def _tagged(value: Any) -> Any:
    match value:
        case datetime():
            return {"t": value.isoformat()}
        case UUID():
            return {"u": str(value)}
        case _:
            return value


def _untagged(value: Any) -> Any:
    match value:
        case {"t": text}:
            return datetime.fromisoformat(text)
        case {"u": text}:
            return UUID(text)
        case _:
            return value
