"""What every loader is: batched, keyed inside one organization, order-keeping, and sure of whose rows it gives."""

import asyncio
import inspect
from asyncio import Future
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import update_wrapper
from inspect import Parameter
from operator import attrgetter
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

import strawberry
from aiodataloader import DataLoader
from strawberry.extensions import FieldExtension

from app.api.tenancy import Context, Info
from app.store.page import Listing, Page, PageRequest
from app.store.tenancy import Transaction

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class ForeignRow(Exception):
    """A row of another organization came out of a loader: the wall has a hole."""


class TenantLoader(DataLoader[Key, Value], Generic[Key, Value]):
    """A loader inside the request's organization. Subclasses say how to load many keys, in `load_batch`."""

    crosses_tenants: ClassVar[bool] = False
    """Whether rows of other organizations may come: those that the credential may enter, by one loader alone."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context
        self._known: dict[Key, Value] = {}

    def load(self, key: Key) -> Future[Value]:
        """The value of a key, loaded with those that are asked for meanwhile.

        Whoever waits may be cancelled without the others: a field that failed takes its siblings with it, and one of
        them may not take the value from a field that goes on.
        """
        if key not in self._known:
            waiting = asyncio.shield(super().load(key))
            waiting.add_done_callback(_seen)
            return waiting
        known = self.loop.create_future()
        known.set_result(self._known[key])
        return known

    async def load_together(self, keys: Iterable[Key]) -> list[Value]:
        """The value of each key, in the keys' order, without a future for each; every key is loaded once."""
        wanted = list(keys)
        missing = list(dict.fromkeys(wanted))
        if self._known:
            missing = [key for key in missing if key not in self._known]
        values = await self.batch_load_fn(missing) if missing else []
        return values if len(missing) == len(wanted) else [self._known[key] for key in wanted]

    async def batch_load_fn(self, keys: list[Key]) -> list[Value]:
        """Load what was asked for meanwhile, and check whose it is."""
        values = await self.load_batch(await self.context.db.snapshot(), keys)
        if not self.crosses_tenants:
            check_tenant(values, self.context.tenant.organization_id)
        self._known.update(zip(keys, values, strict=True))
        return values

    async def load_batch(self, tx: Transaction, keys: Sequence[Key]) -> list[Value]:
        """The value of each key, in the keys' order."""
        raise NotImplementedError


def _seen(waiting: Future[Any]) -> None:
    """Look at what a future holds: nobody else may, where the field that waited is gone."""
    if not waiting.cancelled():
        waiting.exception()


class PageUnder(TenantLoader[UUID, Page[Any]]):
    """The same page of a list under each of many parents."""

    def __init__(self, context: Context, listing: Listing[Any], parent: str, request: PageRequest) -> None:
        super().__init__(context)
        self._listing, self._parent, self._request = listing, parent, request

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[Page[Any]]:
        """A page for each parent."""
        return await self._listing.pages(tx, self._parent, keys, self._request)


class CountUnder(TenantLoader[UUID, int]):
    """How many rows a list has under each of many parents."""

    def __init__(self, context: Context, listing: Listing[Any], parent: str, filters: Mapping[str, Any]) -> None:
        super().__init__(context)
        self._listing, self._parent, self._filters = listing, parent, filters

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[int]:
        """A count for each parent."""
        return await self._listing.counts(tx, self._parent, keys, self._filters)


class Loaders:
    """The loaders of one request, made when they are first asked for."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._made: dict[Hashable, Any] = {}

    def get(self, kind: type[TenantLoader[Any, Any]], *variant: Hashable) -> TenantLoader[Any, Any]:
        """The request's one loader of a kind, and of a variant of its arguments.

        What it loads are the store's rows, which the schema's types read: so their type is left open here.
        """
        return self._one((kind, *variant), lambda: kind(self._context, *variant))

    def page_under(self, listing: Listing[Any], parent: str, request: PageRequest) -> PageUnder:
        """The loader of a page under parents."""
        shape = (request.limit, request.order, request.descending, request.backward, request.position, request.columns)
        key = (PageUnder, id(listing), parent, shape, _hashable(request.filters))
        return self._one(key, lambda: PageUnder(self._context, listing, parent, request))

    def count_under(self, listing: Listing[Any], parent: str, filters: Mapping[str, Any]) -> CountUnder:
        """The loader of a count under parents."""
        key = (CountUnder, id(listing), parent, _hashable(filters))
        return self._one(key, lambda: CountUnder(self._context, listing, parent, filters))

    def _one(self, key: Hashable, make: Callable[[], Any]) -> Any:
        loader = self._made.get(key)
        if loader is None:
            loader = self._made[key] = make()
        return loader


def loaded(loader: type[TenantLoader[Any, Any]], key: str, description: str) -> Any:
    """A field that is the value of a loader for an attribute of its parent; null where the attribute is.

    This is the one way in which a batched field is declared: `metadata` names the loader and the key, so that an
    executor may hand the loader the keys of all parents at once.
    """
    key_of = attrgetter(key)

    async def resolve(row: strawberry.Parent[Any], info: Info):  # noqa: ANN202 - the field's annotation is its type
        wanted = key_of(row)
        return None if wanted is None else await info.context.loaders.get(loader).load(wanted)

    return strawberry.field(resolver=resolve, description=description, metadata={"loader": loader, "key": key})


def batched(
    key: str, description: str, extensions: Sequence[FieldExtension] = ()
) -> Callable[[Callable[..., Any]], Any]:
    """A field with arguments that a loader answers for an attribute of its parent.

    It is declared by a function of `info` and the arguments that gives the loader; what the function says that it
    returns is the field's type. An executor may ask for the loader once, and hand it the keys of all parents.
    """
    key_of = attrgetter(key)

    def field_of(loader_of: Callable[..., Any]) -> Any:
        async def resolve(row, info, **arguments):  # noqa: ANN001, ANN003, ANN202 - the signature is set below
            return await loader_of(info, **arguments).load(key_of(row))

        row = Parameter("row", Parameter.POSITIONAL_OR_KEYWORD, annotation=strawberry.Parent[Any])
        signature = inspect.signature(loader_of)
        update_wrapper(resolve, loader_of)
        resolve.__signature__ = signature.replace(parameters=[row, *signature.parameters.values()])  # ty: ignore
        resolve.__annotations__ = {"row": row.annotation, **loader_of.__annotations__}
        return strawberry.field(
            resolver=resolve,
            description=description,
            extensions=list(extensions),
            metadata={"loader_of": loader_of, "key": key},
        )

    return field_of


def check_tenant(values: Any, organization_id: UUID) -> None:
    """Go on where every row bears the organization, in lists and pages too. Raises ForeignRow."""
    for value in values:
        rows = value.rows if type(value) is Page else value if type(value) is list else (value,)
        for row in rows:
            if getattr(row, "organization_id", organization_id) != organization_id:
                raise ForeignRow


def _hashable(filters: Mapping[str, Any]) -> Hashable:
    return tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in sorted(filters.items()))
