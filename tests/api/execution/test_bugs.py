"""The comparison finds what it is there for: each bug that is put into the planner, within 1,000 documents."""

import inspect
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from app.api.execution.document import KnownOperation
from app.api.execution.plan import _Planner
from app.api.execution.values import Arguments
from app.api.execution.walk import _Walk
from tests.api.execution.brittle import World, brittle
from tests.api.execution.chance import Chance
from tests.api.execution.documents import Documents, Generated
from tests.api.execution.test_brittle import BROKEN, WORDS, pytestmark, roads_in  # noqa: F401 - filters warnings

DOCUMENTS_MAX = 1_000

Patch = Callable[[pytest.MonkeyPatch], None]


def null_stays(patch: pytest.MonkeyPatch) -> None:
    """A null where none may be is answered, and nulls nothing around it."""
    complete = _Walk._complete

    async def wrong(self: Any, shape: Any, values: Any, field: Any) -> Any:
        return await complete(self, replace(shape, nullable=True), values, field)

    patch.setattr(_Walk, "_complete", wrong)


def null_bubbles_too_far(patch: pytest.MonkeyPatch) -> None:
    """A null item nulls the list around it, which might have held it."""
    complete_lists = _Walk._complete_lists

    async def wrong(self: Any, item: Any, lists: Any, field: Any) -> Any:
        found = await complete_lists(self, item, lists, field)
        return [None if None in one else one for one in found]

    patch.setattr(_Walk, "_complete_lists", wrong)


def permission_is_skipped(patch: pytest.MonkeyPatch) -> None:
    """A resolver is called without its permissions."""
    resolved = _Walk._resolved

    async def wrong(self: Any, field: Any, rows: Any) -> Any:
        if not field.strawberry.permission_classes:
            return await resolved(self, field, rows)
        info = self._operation.schema.config.info_class(_raw_info=self._info(field), _field=field.strawberry)
        values = [field.strawberry.base_resolver.wrapped_func(row, info) for row in rows]
        return [await value if inspect.isawaitable(value) else value for value in values]

    patch.setattr(_Walk, "_resolved", wrong)


def alias_is_dropped(patch: pytest.MonkeyPatch) -> None:
    """A field is answered under its own name."""
    planned = _Planner._field

    def wrong(self: Any, type_: Any, name: str, key: str, details: Any, **options: Any) -> Any:
        return planned(self, type_, name, name, details, **options)

    patch.setattr(_Planner, "_field", wrong)


def variable_is_stale(patch: pytest.MonkeyPatch) -> None:
    """Arguments are those of the first execution of a plan."""
    values = Arguments.values
    known: dict[int, tuple[Any, Any]] = {}

    def wrong(self: Any, variables: Any) -> Any:
        return dict(known.setdefault(id(self), (self, values(self, variables)))[1])

    patch.setattr(Arguments, "values", wrong)


def condition_is_stale(patch: pytest.MonkeyPatch) -> None:
    """What `@skip` and `@include` chose first is chosen ever after."""
    patch.setattr(KnownOperation, "choice", lambda _self, _variables: ())


def order_is_lost(patch: pytest.MonkeyPatch) -> None:
    """Values of several parents come in another order."""
    values = _Walk._values

    async def wrong(self: Any, field: Any, rows: Any) -> Any:
        return list(reversed(await values(self, field, rows)))

    patch.setattr(_Walk, "_values", wrong)


def selection_is_lost(patch: pytest.MonkeyPatch) -> None:
    """Of a field that is selected twice, the second selection is forgotten."""
    planned = _Planner._field

    def wrong(self: Any, type_: Any, name: str, key: str, details: Any, **options: Any) -> Any:
        return planned(self, type_, name, key, details[:1], **options)

    patch.setattr(_Planner, "_field", wrong)


BUGS = [
    null_stays,
    null_bubbles_too_far,
    permission_is_skipped,
    alias_is_dropped,
    variable_is_stale,
    condition_is_stale,
    order_is_lost,
    selection_is_lost,
]


@pytest.mark.parametrize("bug", BUGS)
async def test_a_bug_is_found(monkeypatch: pytest.MonkeyPatch, bug: Patch) -> None:
    """A wrong null, a skipped permission, a dropped alias, a stale variable, and their like."""
    bug(monkeypatch)
    for number in range(DOCUMENTS_MAX):
        if await parts(number, bug.__name__):
            return
    raise AssertionError(f"{DOCUMENTS_MAX} documents were answered alike.")


async def parts(number: int, mark: str) -> bool:
    """Whether a document finds the roads apart. The mark keeps the plans of one bug from everybody else."""
    world = World(seed=number, broken=BROKEN[number % len(BROKEN)])
    documents = Documents(brittle._schema, WORDS, Chance(Random(number).randbytes(96)))
    asked = (marked(documents.make(), mark), marked(documents.again(), mark))
    return await roads_in(world, Counter()).difference(*asked) is not None


def marked(document: Generated, mark: str) -> Generated:
    """The document, with a comment that makes it another text."""
    return replace(document, text=f"# {mark}\n{document.text}")
