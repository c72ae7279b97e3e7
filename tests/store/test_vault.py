"""The vault: what is sensitive is stored so that the database alone does not tell it, and opens in its place alone."""

import asyncio
import base64
import os
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from app.domain.role import Role
from app.operations.data_key.rotate import rotate_data_keys
from app.operations.data_key.shred import shred_data_keys
from app.store.connection import ConnectionPool
from app.store.organization import place_of_document
from app.store.tables import metadata
from app.store.tenancy import Database
from app.store.vault.master import MasterKeys, Unreadable
from app.store.vault.rotation import load_keys
from app.store.vault.vault import NoMasterKey, Place, Vault
from tests.caller import Caller, Founder
from tests.cli.test_cli import run
from tests.conftest import MASTER_KEY
from tests.operations.steps import TEST_ACTOR

DOCUMENT = "XYZZY-4711-PLUGH"
SELECT = "organization { id legalDocument }"
KEYS = MasterKeys.from_text(MASTER_KEY)


async def document(caller: Caller) -> str | None:
    return (await caller.data("{ organization { legalDocument } }"))["organization"]["legalDocument"]


@pytest.fixture
async def documented(owner: Caller) -> Caller:
    """An organization with a legal document, given and asked for under an idempotency key."""
    given = {"legalDocument": DOCUMENT, "idempotencyKey": "once"}
    made = await owner.change("organizationUpdate", given, SELECT)
    assert made["organization"]["legalDocument"] == DOCUMENT
    return owner


async def stored(administrator: asyncpg.Connection, caller: Caller) -> bytes:
    return await administrator.fetchval(
        "select legal_document_sealed from organizations where organization_id = $1", caller.database.organization_id
    )


@pytest.fixture
async def worker(worker_url: str):
    """The database as the worker opens it, with the master keys of the tests."""
    pool = ConnectionPool(worker_url, size=2)
    await pool.open()
    yield pool
    await pool.close()


def as_worker(pool: ConnectionPool, caller: Caller, keys: MasterKeys = KEYS):
    return Database(pool, vault=Vault(keys)).tenant(caller.database.organization_id, TEST_ACTOR)


async def test_no_row_holds_the_plain_text(documented: Caller, administrator: asyncpg.Connection) -> None:
    """Not of any table, in whatever spelling: neither the organization's, nor audit records, nor stored answers."""
    child = {"legalName": "Child AG", "legalDocument": DOCUMENT, "idempotencyKey": "child"}
    await documented.change("organizationCreate", child, SELECT)
    spellings = [DOCUMENT, DOCUMENT.encode().hex(), base64.b64encode(DOCUMENT.encode()).decode()[:-4], DOCUMENT[-8:]]
    looked = 0
    for table in metadata.tables:
        for (row,) in await administrator.fetch(f"select t::text from {table} t"):
            looked += 1
            assert not [text for text in spellings if text in row], table
    assert looked > 10


async def test_a_replay_answers_what_was_answered_first(documented: Caller) -> None:
    """Though the answer is stored with the document sealed in it."""
    again = await documented.post(
        {
            "query": "mutation($input: OrganizationUpdateInput!) { organizationUpdate(input: $input)"
            f" {{ {SELECT} userErrors {{ code message path }} }} }}",
            "variables": {"input": {"legalDocument": DOCUMENT, "idempotencyKey": "once"}},
        }
    )
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["data"]["organizationUpdate"]["organization"]["legalDocument"] == DOCUMENT


async def test_who_may_not_see_it_whole_sees_its_end(documented: Caller, founder: Founder) -> None:
    """The scope organization:sensitive decides; a parent sees a child's document as the child's owner does."""
    admin = await founder.colleague(documented, Role.ADMIN)
    assert (await document(documented), await document(admin)) == (DOCUMENT, "****LUGH")
    child = {"legalName": "Child AG", "legalDocument": "DE-1"}
    made = await documented.change("organizationCreate", child, SELECT)
    assert made["organization"]["legalDocument"] == "DE-1"
    assert (await document(admin)) == "****LUGH"


async def test_it_is_taken_away_and_given_again(documented: Caller) -> None:
    """null empties it; what was never given is null."""
    await documented.change("organizationUpdate", {"legalDocument": None}, SELECT)
    assert await document(documented) is None
    await documented.change("organizationUpdate", {"legalDocument": "abc"}, SELECT)
    assert await document(documented) == "abc"


async def test_the_database_takes_no_plain_one(documented: Caller, administrator: asyncpg.Connection) -> None:
    """Whoever comes past the program."""
    with pytest.raises(asyncpg.RestrictViolationError):
        await administrator.execute(
            "update organizations set legal_document = 'plain' where organization_id = $1",
            documented.database.organization_id,
        )


class TestOpening:
    """It opens in its place, under its key, as it was sealed; anything else is Unreadable, and nothing is told."""

    async def opened(self, caller: Caller, place: Place, sealed: bytes, keys: MasterKeys = KEYS) -> str | None:
        async with caller.database.read() as tx:
            return await Vault(keys).open(await load_keys(tx), place, sealed)

    async def test_in_its_place(self, documented: Caller, administrator: asyncpg.Connection) -> None:
        """A fresh vault with the same master key opens it."""
        place = place_of_document(documented.database.organization_id)
        assert await self.opened(documented, place, await stored(administrator, documented)) == DOCUMENT

    @pytest.mark.parametrize("part", ["table", "record", "column"])
    async def test_not_in_another(self, documented: Caller, administrator: asyncpg.Connection, part: str) -> None:
        """Another table, record or column of the same organization."""
        place = replace(place_of_document(documented.database.organization_id), **{part: "elsewhere"})
        with pytest.raises(Unreadable):
            await self.opened(documented, place, await stored(administrator, documented))

    async def test_not_in_another_organization(
        self, documented: Caller, stranger: Caller, administrator: asyncpg.Connection
    ) -> None:
        """Neither the value moved, nor the value together with its key; the API masks what happened."""
        await stranger.change("organizationUpdate", {"legalDocument": "other"}, SELECT)
        here, there = documented.database.organization_id, stranger.database.organization_id
        await administrator.execute(
            "update organizations set legal_document_sealed = $2 where organization_id = $1",
            there,
            await stored(administrator, documented),
        )
        answer = await stranger.ask("{ organization { legalDocument } }")
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["INTERNAL"]
        await administrator.execute(
            "update data_keys t set wrapped = f.wrapped, master_key_id = f.master_key_id from data_keys f"
            " where t.organization_id = $1 and f.organization_id = $2",
            there,
            here,
        )
        answer = await stranger.ask("{ organization { legalDocument } }")
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["INTERNAL"]

    async def test_not_where_a_bit_is_another(self, documented: Caller, administrator: asyncpg.Connection) -> None:
        """Of the format, the key's version, the nonce, the text, the tag; nor cut short."""
        place, sealed = place_of_document(documented.database.organization_id), await stored(administrator, documented)
        for at in (0, 4, 6, 18, len(sealed) - 1):
            with pytest.raises(Unreadable):
                await self.opened(documented, place, sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :])
        for cut in (sealed[:-1], sealed[:10], b""):
            with pytest.raises(Unreadable):
                await self.opened(documented, place, cut)

    async def test_not_under_another_master_key(self, documented: Caller, administrator: asyncpg.Connection) -> None:
        """A key that wraps nothing here; and without any, nothing is opened at all."""
        place, sealed = place_of_document(documented.database.organization_id), await stored(administrator, documented)
        with pytest.raises(Unreadable):
            await self.opened(documented, place, sealed, MasterKeys([os.urandom(32)]))
        async with documented.database.read() as tx:
            keys = await load_keys(tx)
        with pytest.raises(NoMasterKey):
            await Vault().open(keys, place, sealed)

    async def test_the_same_text_is_never_sealed_alike(
        self, documented: Caller, administrator: asyncpg.Connection
    ) -> None:
        """Random nonces: nobody sees that a value was given twice."""
        before = await stored(administrator, documented)
        await documented.change("organizationUpdate", {"legalDocument": DOCUMENT}, SELECT)
        assert await stored(administrator, documented) != before


class TestRotation:
    """Keys change while others seal and open."""

    async def test_the_master_key(self, documented: Caller, worker: ConnectionPool) -> None:
        """First both are known, then all is wrapped by the new one, then the old one is gone: nothing is lost."""
        new = os.urandom(32)
        both, alone = MasterKeys([new, base64.b64decode(MASTER_KEY)]), MasterKeys([new])
        db = as_worker(worker, documented, both)
        assert await rotate_data_keys(db, None) == 1
        assert await rotate_data_keys(db, None) == 0
        place = place_of_document(documented.database.organization_id)
        async with db.read() as tx:
            keys = await load_keys(tx)
            sealed = await tx._connection.fetchval("select legal_document_sealed from organizations")
        assert await Vault(alone).open(keys, place, sealed) == DOCUMENT
        with pytest.raises(Unreadable):
            await Vault(KEYS).open(keys, place, sealed)
        back = MasterKeys([base64.b64decode(MASTER_KEY), new])
        assert await rotate_data_keys(as_worker(worker, documented, back), None) == 1
        assert await document(documented) == DOCUMENT

    async def test_the_data_key(
        self, documented: Caller, worker: ConnectionPool, administrator: asyncpg.Connection
    ) -> None:
        """What the old one sealed is sealed with the new one, stored answers too; serving goes on all the while."""
        before = await stored(administrator, documented)
        asked = asyncio.gather(*(document(documented) for _ in range(20)))
        assert await rotate_data_keys(as_worker(worker, documented), timedelta(0)) == 3
        assert set(await asked) == {DOCUMENT}
        assert (await stored(administrator, documented))[1:5] == b"\x00\x00\x00\x02" != before[1:5]
        assert await document(documented) == DOCUMENT
        await test_a_replay_answers_what_was_answered_first(documented)
        assert await rotate_data_keys(as_worker(worker, documented), timedelta(days=1)) == 0

    async def test_what_was_broken_off_is_taken_up(
        self, documented: Caller, worker: ConnectionPool, administrator: asyncpg.Connection
    ) -> None:
        """A new key that came without its values: the next run seals them anew, and makes no other key."""
        async with as_worker(worker, documented).write() as tx:
            await tx.vault.make_key(tx, 2)
        assert await document(documented) == DOCUMENT
        assert await rotate_data_keys(as_worker(worker, documented), timedelta(days=1)) == 2
        assert (await stored(administrator, documented))[4] == 2

    async def test_two_first_values_at_once_have_one_key(
        self, owner: Caller, administrator: asyncpg.Connection
    ) -> None:
        """Whoever is faster makes it; both are readable."""
        changes = [{"legalDocument": f"{DOCUMENT}{number}"} for number in range(8)]
        await asyncio.gather(*(owner.change("organizationUpdate", change, SELECT) for change in changes))
        assert (await document(owner) or "").startswith(DOCUMENT)
        made = "select count(*) from data_keys where organization_id = $1"
        assert await administrator.fetchval(made, owner.database.organization_id) == 1


class TestShredding:
    """The keys are destroyed: what they sealed is gone, wherever a copy of it is; the books stay."""

    async def test_it_reads_as_null_at_once(self, documented: Caller, worker: ConnectionPool) -> None:
        """In a process that had the key at hand too; a stored answer is as it was, but for that."""
        assert await document(documented) == DOCUMENT
        assert await shred_data_keys(as_worker(worker, documented)) == 1
        assert await document(documented) is None
        assert await shred_data_keys(as_worker(worker, documented)) == 0
        again = {"legalDocument": DOCUMENT, "idempotencyKey": "once"}
        assert (await documented.change("organizationUpdate", again, SELECT))["organization"]["legalDocument"] is None

    async def test_what_comes_later_has_a_key_of_its_own(self, documented: Caller, worker: ConnectionPool) -> None:
        """The organization may go on."""
        await shred_data_keys(as_worker(worker, documented))
        await documented.change("organizationUpdate", {"legalDocument": "later"}, SELECT)
        assert await document(documented) == "later"

    async def test_the_app_can_neither_destroy_nor_change_a_key(self, documented: Caller) -> None:
        """Only the worker's login may."""
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await shred_data_keys(documented.database)


async def test_at_the_keyboard(documented: Caller, worker_url: str) -> None:
    """`tallygate keys rotate` and `tallygate keys shred`, which wants to be told twice."""

    async def at(*words: str, **environment: Any):
        environment = {"DATABASE_URL": worker_url, "TALLYGATE_MASTER_KEY": MASTER_KEY, **environment}
        return await asyncio.to_thread(run, "keys", *words, **environment)

    rotated = await at("rotate", "--organization", documented.organization_id, "--renew-after-days", "0")
    assert (rotated.exit_code, rotated.stdout) == (0, "3 keys and values changed\n"), rotated.stderr
    every = await at("rotate", "--all")
    assert every.exit_code == 0, every.stderr
    timid = await at("shred", documented.organization_id)
    assert (timid.exit_code, "--yes" in timid.stderr) == (1, True)
    assert await document(documented) == DOCUMENT
    shredded = await at("shred", documented.organization_id, "--yes")
    assert (shredded.exit_code, shredded.stdout) == (0, "2 keys destroyed\n"), shredded.stderr
    assert await document(documented) is None
    keyless = await at("rotate", "--all", TALLYGATE_MASTER_KEY="")
    assert (keyless.exit_code, "TALLYGATE_MASTER_KEY" in keyless.stderr) == (1, True)


@pytest.mark.parametrize("text", ["", "short", base64.b64encode(b"x" * 31).decode(), "!" * 44])
def test_what_is_no_master_key_is_refused(text: str) -> None:
    """32 bytes in base64, and nothing else."""
    with pytest.raises(ValueError, match="openssl"):
        MasterKeys.from_text(text)
