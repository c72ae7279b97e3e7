"""Loaders that fail now and then: the schema's own rarely do, and what a plan does of a failure is to be seen."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any
from zlib import crc32

import pytest
from sqlmodel import SQLModel

from app.api.loaders.loader import TenantLoader
from app.store.page import Listing, Page

ATTRIBUTES = {f"{table.__name__}Row": tuple(table.model_fields) for table in SQLModel.__subclasses__()}
"""All attributes of rows, by their class: a plan reads some of them, and the damage is to be the same."""


class Damage:
    """What happens to which value: decided by the loader, the key and a salt, so the same whoever asks, and when."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.salt = 0
        for kind in _kinds(TenantLoader):
            if "load_batch" in vars(kind):
                monkeypatch.setattr(kind, "load_batch", _damaged(kind.__name__, kind.load_batch, self))
        monkeypatch.setattr(Listing, "page", _damaged_page(Listing.page, self))

    def of_keys(self, loader: str, keys: Sequence[Any]) -> None:
        """Fail where one of the keys is to."""
        for key in keys:
            if self._draw(loader, key) == 0:
                raise ValueError(f"{loader} is broken.")

    def of_value(self, loader: str, key: Any, value: Any) -> Any:
        """The value, or nothing in its place, or the same with a null in it; a page's rows one by one."""
        match value:
            case Page():
                return replace(value, rows=self.of_value(loader, key, value.rows))
            case list():
                return [self.of_value(loader, (key, place), row) for place, row in enumerate(value)]
        draw = self._draw(loader, key)
        if draw == 1:
            return None
        if draw in (2, 3) and hasattr(value, "_replace"):
            attributes = ATTRIBUTES.get(type(value).__name__, value._fields)
            attribute = attributes[self._draw("attribute", key) % len(attributes)]
            damaged = {attribute} & {*value._fields}
            if attribute in getattr(value, "spells", ()):
                # PostgreSQL spells no row with a null where none may be; where one may, graphql-core is asked too.
                damaged.add("spelled")
            return value._replace(**dict.fromkeys(damaged))
        return value

    def _draw(self, *parts: Any) -> int:
        return crc32(repr((self.salt, *parts)).encode()) % 12


def _damaged(loader: str, load_batch: Callable[..., Any], damage: Damage) -> Callable[..., Any]:
    async def damaged(self: Any, tx: Any, keys: Sequence[Any]) -> list[Any]:
        damage.of_keys(loader, keys)
        values = await load_batch(self, tx, keys)
        return [damage.of_value(loader, key, value) for key, value in zip(keys, values, strict=True)]

    return damaged


def _damaged_page(page: Callable[..., Any], damage: Damage) -> Callable[..., Any]:
    async def damaged(self: Any, tx: Any, request: Any) -> Any:
        return damage.of_value("page", None, await page(self, tx, request))

    return damaged


def _kinds(kind: type) -> Iterator[type]:
    for each in kind.__subclasses__():
        yield each
        yield from _kinds(each)
