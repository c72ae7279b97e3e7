"""Holes in the wall, to be made on purpose: a plugin for pytest that makes one before the tests run.

    TALLYGATE_MUTANT=cursor pytest -p tests.tenancy.mutants tests/tenancy/test_walk.py

A proof is worth something if it turns red with each of these. `bench/mutants.py` tries them all.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa

VARIABLE = "TALLYGATE_MUTANT"

TRUSTING = [
    # A policy that lets everybody see everything, as one that was written without care.
    "drop policy tenant on customers",
    "create policy tenant on customers using (true) with check (true)",
]


@dataclass(frozen=True)
class Mutant:
    """A hole: what is done to the template database and to the program, and which tests are to find it."""

    says: str
    tests: tuple[str, ...]
    sql: tuple[str, ...] = ()
    patch: Callable[[], None] = lambda: None
    survives: bool = False


def loader_without_filter() -> None:
    """Customers are loaded by their id alone."""
    from app.store import customer
    from app.store.query import Query

    customers = customer.customers
    wanted = sa.any_(sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid)))
    by_id = sa.select(*customers.columns).where(customers.c.id == wanted)

    class Unfiltered(Query[Any]):
        def of(self, _columns: Any) -> Any:
            return self

    customer._BY_ID = Unfiltered(by_id, customers.row_of, unfiltered_because="this is the hole")  # ty: ignore


def loader_unchecked() -> None:
    """Nor does the loader look at whose rows it got."""
    from app.api.loaders import loader

    loader_without_filter()
    loader.check_tenant = lambda _values, _organization_id: None


def start_anyway() -> None:
    """The program serves although its own look at the wall says no: the tests are to find it, not the start."""
    from app.store.system import SystemDatabase

    async def look_away(_self: Any, _revision: str, *, worker: bool = False) -> None:
        """Say nothing."""

    SystemDatabase.check_wall = look_away  # type: ignore[method-assign]


def cursor_unbound() -> None:
    """A cursor is signed, but for no organization, field, filter or order."""
    from app.api.pagination import Listed

    Listed._shape = property(lambda _self: b"")  # type: ignore[assignment]


def cursor_without_organization() -> None:
    """A cursor is bound to all but its organization."""
    from app.api import pagination

    shape = pagination.Listed.__dict__["_shape"].func

    class Anybody:
        organization_id = "anybody"

    def mutated(self: Any) -> bytes:
        context, self._context = self._context, type("C", (), {"tenant": Anybody, "cursor_secret": ""})
        try:
            return shape(self)
        finally:
            self._context = context

    pagination.Listed._shape = property(mutated)  # type: ignore[assignment]


def anybody_enters() -> None:
    """X-Organization-ID opens whatever it names."""
    from app.store.system import SystemDatabase

    async def yes(_self: Any, _root: Any, _organization_id: Any) -> bool:
        return True

    SystemDatabase.is_under = yes  # type: ignore[method-assign]


def both(*patches: Callable[[], None]) -> Callable[[], None]:
    """One after the other."""

    def patch() -> None:
        for each in patches:
            each()

    return patch


CATALOGUE = "tests/tenancy/test_catalogue.py"
WALL = "tests/tenancy/test_wall.py"
CUSTOMERS = "tests/tenancy/test_walk.py::TestReferences::test_a_foreign_one_is_like_an_unknown_one"
NODES = "tests/tenancy/test_walk.py::TestReferences::test_no_form_of_an_id_is_answered"
CURSORS = "tests/tenancy/test_walk.py::TestCursors"
ENTERING = "tests/tenancy/test_walk.py::TestEntering"
URLS = "tests/tenancy/test_urls.py"

MUTANTS: dict[str, Mutant] = {
    "none": Mutant("nothing is changed", (CATALOGUE, NODES, CURSORS, ENTERING, URLS), survives=True),
    "policy": Mutant("a policy is dropped", (CATALOGUE,), sql=("drop policy tenant on invoices",), patch=start_anyway),
    "force": Mutant(
        "FORCE is taken off",
        (CATALOGUE,),
        sql=("alter table invoices no force row level security",),
        patch=start_anyway,
    ),
    "force, from inside": Mutant(
        "FORCE is taken off, and the wall is tried from inside",
        (f"{WALL}::TestAnotherTenant::test_no_row_is_seen",),
        sql=("alter table invoices no force row level security",),
        patch=start_anyway,
    ),
    "trusting policy": Mutant(
        "a policy lets everybody see everything",
        (f"{WALL}::TestAnotherTenant::test_no_row_is_seen",),
        sql=tuple(TRUSTING),
        patch=start_anyway,
    ),
    "filter": Mutant(
        "a loader's filter is removed: row security holds alone",
        (NODES,),
        patch=loader_without_filter,
        survives=True,
    ),
    "filter and policy": Mutant(
        "a loader's filter is removed together with its policy: the loader finds a row that is not the tenant's",
        (NODES,),
        sql=tuple(TRUSTING),
        patch=both(start_anyway, loader_without_filter),
    ),
    "filter, policy and check": Mutant(
        "and the loader does not look at whose rows it got",
        (NODES,),
        sql=tuple(TRUSTING),
        patch=both(start_anyway, loader_unchecked),
    ),
    "cursor": Mutant("a cursor is bound to nothing", (CURSORS,), patch=cursor_unbound),
    "cursor's organization": Mutant(
        "a cursor is not bound to its organization", (CURSORS,), patch=cursor_without_organization
    ),
    "url": Mutant("whoever asks enters what the header names", (ENTERING,), patch=anybody_enters),
    "url of usage": Mutant("the same, along the URLs", (URLS,), patch=anybody_enters),
}


def pytest_configure() -> None:
    """Make the hole in the program."""
    MUTANTS[os.environ[VARIABLE]].patch()


@pytest.fixture(scope="session", autouse=True)
def hole(template: str, server: Any) -> None:
    """Make the hole in the database that all others are cloned from."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    async def make() -> None:
        connection = await asyncpg.connect(server.url(template))
        try:
            for statement in MUTANTS[os.environ[VARIABLE]].sql:
                await connection.execute(statement)
        finally:
            await connection.close()

    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(asyncio.run, make()).result()
