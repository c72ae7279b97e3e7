"""An organization's rows as lines of JSON, table by table: read in the order of their keys, put back as they were.

PostgreSQL itself writes and reads each row, so that no value passes through a type that holds less. Which tables there
are is read from the models: a table that is added is carried too.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import cache
from typing import Any, Final

import asyncpg
import orjson
import sqlalchemy as sa

from app.domain.invoice import InvoiceStatus
from app.store.query import TENANT, Query
from app.store.tables import TENANT_TABLES, Invoice, InvoiceLineItem, Organization, UsageEvent
from app.store.tables.column import metadata
from app.store.tenancy import Transaction, WriteTransaction

PAGE: Final = 500

ORGANIZATIONS: Final = Organization.__tablename__
INVOICES: Final = Invoice.__tablename__
LINES: Final = InvoiceLineItem.__tablename__
EVENTS: Final = UsageEvent.__tablename__
"""What it refers to is looked for by a trigger, so that the models' foreign keys do not say that it comes last."""

Pages = Callable[[str], Iterable[Sequence[str]]]
"""Gives a table's lines anew each time it is asked, some hundred at a time."""


class Unrestorable(Exception):
    """PostgreSQL refuses the rows of an archive; the message says why."""


def owned_tables() -> list[str]:
    """Every table that holds rows of organizations, each after those that it refers to."""
    names = [str(table.name) for table in TENANT_TABLES]
    return sorted(names, key=lambda name: name == EVENTS)


def stored_columns(table: str) -> list[str]:
    """The columns of a table that are written; others PostgreSQL works out by itself."""
    return [str(column.name) for column in metadata.tables[table].columns if column.computed is None]


async def pages(tx: Transaction, table: str) -> AsyncIterator[list[str]]:
    """All of the organization's rows of a table in the order of their keys, some hundred at a time."""
    rows = await tx.fetch(_page(table, further=False), limit=PAGE)
    while rows:
        yield [row["line"] for row in rows]
        if len(rows) < PAGE:
            return
        last = {name: rows[-1][name] for name in _key(table)}
        rows = await tx.fetch(_page(table, further=True), limit=PAGE, **last)


async def restore(tx: WriteTransaction, table: str, lines: Sequence[str]) -> None:
    """Put rows back as they were. Raises Unrestorable, also where one belongs to another organization."""
    await _write(tx, _restore(table), lines, len(lines))


async def restore_invoices(tx: WriteTransaction, pages_of: Pages) -> None:
    """Put invoices and their lines back. Raises Unrestorable.

    The database takes lines of drafts alone, so that each invoice comes as a draft, then its lines, then its state. A
    draft is live, and a period has at most one live invoice: voided ones come before it, in rounds where a period has
    more than one of them.
    """
    rounds = _rounds_of_voided(pages_of)
    last = max(rounds.values(), default=-1) + 1
    for number in range(last + 1):

        def belongs(invoice_id: str, number: int = number) -> bool:
            return rounds.get(invoice_id, last) == number

        await _write_those(tx, _DRAFTED, pages_of(INVOICES), lambda row: belongs(row["id"]))
        await _write_those(tx, _restore(LINES), pages_of(LINES), lambda row: belongs(row["invoice_id"]))
        await _write_those(tx, _COMPLETED, pages_of(INVOICES), lambda row: belongs(row["id"]))


def _rounds_of_voided(pages_of: Pages) -> dict[str, int]:
    """The round of each voided invoice: how many voided ones of the same period come before it."""
    rounds: dict[str, int] = {}
    met: Counter[tuple[str, ...]] = Counter()
    for page in pages_of(INVOICES):
        for row in map(orjson.loads, page):
            if row["status"] == InvoiceStatus.VOID:
                period = str(row["subscription_id"]), row["reason"], row["period_start"]
                rounds[row["id"]] = met[period] if row["subscription_id"] else 0
                met[period] += 1
    return rounds


async def _write_those(
    tx: WriteTransaction, query: Query[Any], pages: Iterable[Sequence[str]], belongs: Callable[[Any], bool]
) -> None:
    for page in pages:
        lines = [line for line in page if belongs(orjson.loads(line))]
        if lines:
            await _write(tx, query, lines, len(lines))


async def _write(tx: WriteTransaction, query: Query[Any], lines: Sequence[str], expected: int) -> None:
    try:
        written = await tx.execute(query, lines=f"[{','.join(lines)}]")
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.InsufficientPrivilegeError) as error:
        raise Unrestorable(str(error)) from error
    if written != expected:
        raise Unrestorable("Some of its rows belong to another organization.")


def _key(table: str) -> list[str]:
    return [str(column.name) for column in metadata.tables[table].primary_key if column.name != TENANT]


@cache
def _page(table: str, *, further: bool) -> Query[Any]:
    """A page of rows; `further` begins after a key."""
    source = metadata.tables[table]
    columns = [source.c[name] for name in stored_columns(table)]
    key = [source.c[name] for name in _key(table)]
    inside = source.c[TENANT] == sa.bindparam(TENANT, type_=sa.Uuid)
    after = (
        [sa.tuple_(*key) > sa.tuple_(*(sa.bindparam(each.name, type_=each.type) for each in key))] if further else []
    )
    found = sa.select(*columns).where(inside, *after).order_by(*key).limit(sa.bindparam("limit", type_=sa.BigInteger))
    row = found.subquery("found")
    line = sa.cast(sa.func.row_to_json(sa.literal_column("found")), sa.Text).label("line")
    ordered = [row.c[each.name] for each in key]
    return Query(sa.select(line, *ordered).select_from(row).order_by(*ordered))


@cache
def _restore(table: str) -> Query[Any]:
    names = ", ".join(f'"{name}"' for name in stored_columns(table))
    return Query(
        f"insert into {table} ({names}) select {names}"  # noqa: S608 - names of our own tables
        f" from json_populate_recordset(null::{table}, :lines ::json) where organization_id = :organization_id"
    )


_KEPT: Final = [name for name in stored_columns(INVOICES) if name not in ("status", "number", "finalized_at")]

_DRAFTED: Final = Query(
    f"insert into invoices ({', '.join(_KEPT)}, status) select {', '.join(_KEPT)}, 'DRAFT'"  # noqa: S608
    " from json_populate_recordset(null::invoices, :lines ::json) where organization_id = :organization_id"
)
_COMPLETED: Final = Query(
    """
    update invoices i set status = r.status, number = r.number, finalized_at = r.finalized_at
    from json_populate_recordset(null::invoices, :lines ::json) r
    where i.organization_id = :organization_id and i.id = r.id and r.organization_id = i.organization_id
    """
)
