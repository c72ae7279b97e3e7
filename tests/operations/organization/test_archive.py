"""An organization as a file: all that it owns goes out and comes back, or nothing does."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZipFile

import asyncpg
import pytest

from app.api.ids import parsed
from app.archive.manifest import NAME, DamagedArchive
from app.archive.reading import opened_archive
from app.archive.writing import ArchiveWriter, new_archive
from app.domain.credential import prefix_of, secret_hash
from app.domain.errors import AlreadyExists, NotFound
from app.operations.audit.verify import verify_audit_chain
from app.operations.ledger.verify import verify_ledger_chain
from app.operations.organization.export import export_organization
from app.operations.organization.import_ import Place, import_organization
from app.store.archive import Unrestorable, owned_tables, stored_columns
from app.store.connection import ConnectionPool, Timeouts
from app.store.migration import head_revision
from app.store.query import new_id
from app.store.roles import WORKER
from app.store.system import SystemDatabase
from app.store.tenancy import Actor, Database
from tests.caller import Founder
from tests.conftest import PEPPER, Server
from tests.tenancy.records import Records, full_organization

ACTOR = Actor("SYSTEM", "test", "test")
HERE = Place()


@dataclass
class Elsewhere:
    """Another database, as its worker and as its administrator see it."""

    database: Database
    system: SystemDatabase
    administrator: asyncpg.Connection


@pytest.fixture(scope="module")
async def elsewhere(server: Server, clone: Callable[[], str]) -> AsyncIterator[Elsewhere]:
    async with another_database(server, clone()) as made:
        yield made


@pytest.fixture
async def empty(server: Server, clone: Callable[[], str]) -> AsyncIterator[Elsewhere]:
    """One that nothing was brought to."""
    async with another_database(server, clone()) as made:
        yield made


@asynccontextmanager
async def another_database(server: Server, name: str) -> AsyncIterator[Elsewhere]:
    patient = Timeouts(statement=60_000, lock=60_000, idle=60_000)
    pool = ConnectionPool(server.url(name, WORKER), size=2, timeouts=patient)
    await pool.open()
    administrator = await asyncpg.connect(server.url(name))
    yield Elsewhere(Database(pool), SystemDatabase(pool), administrator)
    await administrator.close()
    await pool.close()


@pytest.fixture(scope="module")
async def records(founder: Founder, database: Database) -> Records:
    """An organization with rows in every table, more events than fit a page, and a period that was voided twice."""
    made = await full_organization(founder, database, "wombat", amount=4_711)
    events = [
        {"eventId": f"many-{n}", "meter": made.meter_key, "externalCustomerId": made.external_id} for n in range(600)
    ]
    await made.owner.change("usageRecord", {"events": events}, "accepted")
    began = {"planKey": made.plan_key, "startAt": "2026-01-01T00:00:00Z"}
    subscription = (await made.owner.change("subscriptionCreate", began, "subscription { id }"))["subscription"]["id"]
    january = {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"}
    for state in ("VOID", "VOID", "FINALIZED"):
        generate = {"subscriptionId": subscription, "period": january}
        invoice = (await made.owner.change("invoiceGenerate", generate, "invoice { id }"))["invoice"]["id"]
        await made.owner.change("invoiceFinalize", {"invoiceId": invoice}, "invoice { id }")
        if state == "VOID":
            await made.owner.change("invoiceVoid", {"invoiceId": invoice}, "invoice { id }")
    return made


@pytest.fixture(scope="module")
async def file(records: Records, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The organization's archive."""
    path = tmp_path_factory.mktemp("archive") / "wombat.zip"
    with new_archive(path) as archive:
        await export_organization(records.owner.database, archive, head_revision())
    return path


async def restored(elsewhere: Elsewhere, path: Path, place: Place = HERE) -> UUID:
    with opened_archive(path) as archive:
        return await import_organization(elsewhere.database, archive, place, head_revision(), ACTOR)


async def rows_of(administrator: asyncpg.Connection, organization_id: UUID) -> dict[str, list[str]]:
    """All rows of an organization as text, by table; what PostgreSQL works out by itself included.

    But for when a key was last used, which is written down a moment later.
    """
    return {
        table: [
            row[0]
            for row in await administrator.fetch(
                f"select (to_jsonb(t) - 'last_used_at')::text from {table} t where organization_id = $1 order by 1",
                organization_id,
            )
        ]
        for table in owned_tables()
    }


async def test_every_table_of_the_database_is_carried(administrator: asyncpg.Connection, file: Path) -> None:
    """Each that has an organization, as PostgreSQL's catalogue says, with all of its columns."""
    found = await administrator.fetch(
        """
        select c.relname as table, array_agg(a.attname order by a.attname)::text[] as columns
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
          and a.attgenerated = '' group by 1
        """
    )
    owned = {row["table"]: row["columns"] for row in found if "organization_id" in row["columns"]}
    with opened_archive(file) as archive:
        members = archive.manifest.members
    assert {member.table: sorted(member.columns) for member in members} == owned
    assert [member.table for member in members if member.rows == 0] == [], "nothing would be proved of these"
    assert {member.table: member.columns for member in members} == {name: stored_columns(name) for name in owned}


async def test_it_comes_back_as_it_was(
    administrator: asyncpg.Connection, elsewhere: Elsewhere, records: Records, file: Path
) -> None:
    """In another database, row by row, with its chains intact and its key in force; the import is audited."""
    id_ = parsed(records.organization)[1]
    before = await rows_of(administrator, id_)
    assert sum("VOID" in row for row in before["invoices"]) == 2
    assert await restored(elsewhere, file) == id_
    after = await rows_of(elsewhere.administrator, id_)
    new = set(after.pop("audit_records")) - set(before["audit_records"])
    assert len(new) == 1
    assert "organization.import" in new.pop()
    before.pop("audit_records")
    assert after.pop("audit_chains") != before.pop("audit_chains")
    assert after == before
    tenant = elsewhere.database.tenant(id_, ACTOR)
    assert (await verify_ledger_chain(tenant)).intact
    assert (await verify_audit_chain(tenant)).intact
    (key,) = await elsewhere.system.find_api_keys(prefix_of(records.owner.api_key) or "")
    assert key.secret_hash == secret_hash(records.owner.api_key, PEPPER)
    with pytest.raises(AlreadyExists):
        await restored(elsewhere, file)


async def test_what_happens_meanwhile_is_not_in_it(records: Records, tmp_path: Path) -> None:
    """One snapshot: a customer who comes while it is written is in no table of it."""

    class Interrupted(ArchiveWriter):
        async def add(self, table: str, columns: Any, pages: Any) -> None:
            if table == "customers":
                await records.owner.change("customerCreate", {"name": "Latecomer"}, "customer { id }")
            await super().add(table, columns, pages)

    path = tmp_path / "snapshot.zip"
    with ZipFile(path, "w") as file:
        await export_organization(records.owner.database, Interrupted(file), head_revision())
    with opened_archive(path) as archive:
        assert "Latecomer" not in str(list(archive.pages("customers")))
        assert "organization.export" in str(list(archive.pages("audit_records")))


async def test_a_child_needs_a_parent(elsewhere: Elsewhere, records: Records, founder: Founder, tmp_path: Path) -> None:
    """Its own, another that is named, or none where that is said."""
    path = tmp_path / "child.zip"
    with new_archive(path) as archive:
        await export_organization(records.child_owner.database, archive, head_revision())
    with opened_archive(path) as archive:
        parent_id = json.loads(next(archive.pages("organizations"))[0])["parent_id"]
    is_there = await elsewhere.administrator.fetchval(
        "select true from organizations where organization_id = $1", UUID(parent_id)
    )
    if not is_there:
        with pytest.raises(NotFound):
            await restored(elsewhere, path)
    child = await restored(elsewhere, path, Place(as_root=True))
    query = "select parent_id from organizations where organization_id = $1"
    assert await elsewhere.administrator.fetchval(query, child) is None


def rewritten(source: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """An archive with something else in it."""
    with ZipFile(source) as file:
        content = {name: file.read(name) for name in file.namelist()}
    change(content)
    with ZipFile(target, "w", ZIP_DEFLATED) as file:
        for name, each in content.items():
            file.writestr(name, each)
    return target


def in_manifest(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(content: dict[str, bytes]) -> None:
        content[NAME] = json.dumps(json.loads(content[NAME]) | changes).encode()

    return change


def a_row_less(content: dict[str, bytes]) -> None:
    content["customers.jsonl"] = content["customers.jsonl"].partition(b"\n")[2]


def another_amount(content: dict[str, bytes]) -> None:
    content["ledger_entries.jsonl"] = content["ledger_entries.jsonl"].replace(b":4711,", b":4712,", 1)


def a_member_less(content: dict[str, bytes]) -> None:
    del content["customers.jsonl"]


def a_member_more(content: dict[str, bytes]) -> None:
    content["../outside.jsonl"] = b"{}\n"


def no_manifest(content: dict[str, bytes]) -> None:
    del content[NAME]


def nonsense(content: dict[str, bytes]) -> None:
    content[NAME] = b"\xff"


DAMAGE: dict[str, Callable[[dict[str, bytes]], None]] = {
    "is not what its manifest says": a_row_less,
    "is not what its manifest says: rows": another_amount,
    "not those that its manifest names": a_member_less,
    "not those that its manifest names.": a_member_more,
    "has no manifest": no_manifest,
    "manifest cannot be read": nonsense,
    "version 2": in_manifest(version=2),
    "no archive of an organization": in_manifest(format="zork"),
    "revision 0001": in_manifest(revision="0001"),
}


@pytest.mark.parametrize("sentence", list(DAMAGE))
async def test_a_damaged_archive_is_refused(elsewhere: Elsewhere, file: Path, tmp_path: Path, sentence: str) -> None:
    """Before anything of it is stored, and it is said why."""
    damaged = rewritten(file, tmp_path / "damaged.zip", DAMAGE[sentence])
    with pytest.raises(DamagedArchive, match=sentence):
        await restored(elsewhere, damaged)


def truthful(change: Callable[[dict[str, bytes]], None]) -> Callable[[dict[str, bytes]], None]:
    """A change after which the manifest is made to say what is there: by somebody who knows how."""

    def changed(content: dict[str, bytes]) -> None:
        change(content)
        manifest = json.loads(content[NAME])
        for member in manifest["members"]:
            lines = content[f"{member['table']}.jsonl"]
            told = {"rows": lines.count(b"\n"), "bytes": len(lines), "sha256": hashlib.sha256(lines).hexdigest()}
            member.update(told)
        content[NAME] = json.dumps(manifest).encode()

    return changed


def a_foreign_row(content: dict[str, bytes]) -> None:
    row = json.loads(content["meters.jsonl"].splitlines()[0]) | {"organization_id": str(new_id()), "id": str(new_id())}
    content["meters.jsonl"] += json.dumps(row).encode() + b"\n"


def an_unbalanced_transaction(content: dict[str, bytes]) -> None:
    content["ledger_entries.jsonl"] = content["ledger_entries.jsonl"].replace(b'"debit_minor":', b'"debit_minor":1', 1)


def another_reason(content: dict[str, bytes]) -> None:
    name = "audit_records.jsonl"
    content[name] = content[name].replace(b'"customer.create"', b'"customer.delete"', 1)


def an_invoice_without_its_customer(content: dict[str, bytes]) -> None:
    rows = [json.loads(line) for line in content["customers.jsonl"].splitlines()]
    content["customers.jsonl"] = b"".join(json.dumps(row).encode() + b"\n" for row in rows if row["is_default"])


def a_row_that_is_none(content: dict[str, bytes]) -> None:
    content["meters.jsonl"] += b"plugh\n"


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        (a_foreign_row, Unrestorable, "belong to another organization"),
        (another_reason, DamagedArchive, "chain of its audit records is broken"),
        (an_unbalanced_transaction, DamagedArchive, "chain of its ledger is broken"),
        (an_invoice_without_its_customer, Unrestorable, "foreign key"),
        (a_row_that_is_none, Unrestorable, "json"),
    ],
)
async def test_a_forged_archive_leaves_nothing(
    empty: Elsewhere,
    file: Path,
    tmp_path: Path,
    change: Callable[[dict[str, bytes]], None],
    error: type[Exception],
    sentence: str,
) -> None:
    """Its manifest agrees with it, but the database or the chain does not: all of it is undone."""
    forged = rewritten(file, tmp_path / "forged.zip", truthful(change))
    with pytest.raises(error, match=sentence):
        await restored(empty, forged)
    for table in owned_tables():
        assert await empty.administrator.fetchval(f"select count(*) from {table}") == 0


async def test_two_imports_at_once_bring_it_once(empty: Elsewhere, file: Path) -> None:
    """The other is told that it is there."""
    both = await asyncio.gather(restored(empty, file), restored(empty, file), return_exceptions=True)
    assert [type(one) for one in both if isinstance(one, Exception)] in ([AlreadyExists], [Unrestorable])
    assert await empty.administrator.fetchval("select count(*) from organizations") == 1


def test_nobody_else_may_read_it_and_nothing_is_overwritten(file: Path) -> None:
    """It holds all that an organization has."""
    assert file.stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError), new_archive(file):
        pass


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
async def test_a_file_that_is_cut_off_is_refused(elsewhere: Elsewhere, file: Path, tmp_path: Path, part: float) -> None:
    """Wherever it was cut."""
    path = tmp_path / "cut.zip"
    path.write_bytes(file.read_bytes()[: int(file.stat().st_size * part)])
    with pytest.raises(DamagedArchive, match="cut off or damaged"):
        await restored(elsewhere, path)


async def test_a_flipped_bit_is_found(elsewhere: Elsewhere, file: Path, tmp_path: Path) -> None:
    """In any member."""
    with ZipFile(file) as opened:
        largest = max(opened.infolist(), key=lambda member: member.compress_size)
    content = bytearray(file.read_bytes())
    content[largest.header_offset + 100 + largest.compress_size // 2] ^= 1
    path = tmp_path / "flipped.zip"
    path.write_bytes(content)
    with pytest.raises(DamagedArchive):
        await restored(elsewhere, path)
