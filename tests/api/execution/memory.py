"""Statements that are answered from memory: always after the same pause, so that what fails first always does."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from app.store.tenancy import Transaction, WriteTransaction


def remember_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each statement with the same parameters once, and give its rows again from then on.

    The rows of these tests do not change. PostgreSQL answers a little sooner or later each time, and of two fields that
    fail at once graphql-core tells the first: that would be another one each time, on either road.
    """
    monkeypatch.setattr(Transaction, "fetch", _remembered(Transaction.fetch))


def _remembered(fetch: Callable[..., Any]) -> Callable[..., Any]:
    known: dict[Any, list[Any]] = {}

    async def remembered(self: Transaction, query: Any, **parameters: Any) -> list[Any]:
        if isinstance(self, WriteTransaction):
            return await fetch(self, query, **parameters)
        key = (query, self.organization_id, repr(parameters))
        if key in known:
            await asyncio.sleep(0)
        else:
            known[key] = await fetch(self, query, **parameters)
        return list(known[key])

    return remembered
