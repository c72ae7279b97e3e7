"""api_key.create, api_key.rotate, api_key.revoke, api_key.note_use."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest

from app.api.credential.last_use import LastUse
from app.api.credential.principal import Principal
from app.domain.role import SCOPES_OF, Role
from app.main import application
from app.settings import Settings
from app.store.tables.organization import Mode
from app.store.tenancy import Database
from tests.caller import Caller, Founder
from tests.operations.steps import instant, refusal

KEY = "apiKey { id name prefix role scopes createdAt lastUsedAt expiresAt revokedAt }"


@pytest.fixture(scope="module")
async def elsewhere(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of another process that serves the same database, as far as the two could know of each other."""
    made = application(settings)
    async with (
        made.router.lifespan_context(made),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=made), base_url="http://elsewhere.test") as client,
    ):
        yield client


def bearing(caller: Caller, secret: str, http: httpx.AsyncClient | None = None) -> Caller:
    return dataclasses.replace(caller, api_key=secret, http=http or caller.http)


async def is_let_in(caller: Caller) -> bool:
    answer = await caller.post({"query": "{ viewer { role } }"})
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds, and not for ever."""
    async with asyncio.timeout(10):
        while not await holds():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.01)


async def key_of(caller: Caller, **given: Any) -> tuple[str, str]:
    """A new key's id and its secret."""
    made = await caller.change("apiKeyCreate", {"name": "Nightly", **given}, "secret apiKey { id }")
    return made["apiKey"]["id"], made["secret"]


async def denials(administrator: asyncpg.Connection, caller: Caller, action: str) -> int:
    return await administrator.fetchval(
        "select count(*) from audit_records where organization_id = $1 and action = $2 and outcome = 'DENIED'",
        caller.database.organization_id,
        action,
    )


async def test_a_new_key_works_and_its_secret_is_nowhere_but_in_the_answer(
    founder: Founder, administrator: asyncpg.Connection
) -> None:
    """By real time also where the organization's clock stands; the database, dumped, does not hold the secret."""
    tester = await founder.organization(mode=Mode.TEST, test_clock=instant("2026-05-20T00:00:00Z"))
    given = {"name": "Nightly", "role": "support", "expiresAt": "2126-01-01T00:00:00Z"}
    made = await tester.change("apiKeyCreate", given, f"secret {KEY}")
    key, secret = made["apiKey"], made["secret"]
    assert secret.startswith(f"{key['prefix']}_")
    assert key["prefix"].startswith("tg_test_")
    assert key["scopes"] == sorted(SCOPES_OF[Role.SUPPORT])
    assert instant(key["createdAt"]) != instant("2026-05-20T00:00:00Z")
    assert {name: key[name] for name in given} == given
    viewer = await bearing(tester, secret).data("{ viewer { name role } }")
    assert viewer == {"viewer": {"name": "Nightly", "role": "support"}}
    kept = secret.rpartition("_")[2]
    for table in ("api_keys", "audit_records", "idempotency_records"):
        rows = await administrator.fetch(
            f"select t::text from {table} t where organization_id = $1", tester.database.organization_id
        )
        assert [row[0] for row in rows if kept in row[0]] == []


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"role": "emperor"}, "role"),
        ({"role": "OWNER"}, "role"),
        ({"expiresAt": "2026-01-01T00:00:00Z"}, "expiresAt"),
    ],
)
async def test_a_key_that_breaks_a_rule_is_refused_where_it_does(
    owner: Caller, given: dict[str, Any], path: str
) -> None:
    """A name, a role that there is, an end that is still to come."""
    refused = await owner.attempt("apiKeyCreate", {"name": "Nightly", **given}, "apiKey { id } secret")
    assert refusal(refused) == ("INVALID", path)
    assert refused["secret"] is None


async def test_the_secret_is_shown_once(owner: Caller, administrator: asyncpg.Connection) -> None:
    """A replay answers null in its place, by whatever names it was asked for; a dry run gives none that works."""
    document = """
        mutation($input: ApiKeyCreateInput!) {
          mine: apiKeyCreate(input: $input) { ...Shown again: secret apiKey { id prefix } }
        }
        fragment Shown on ApiKeySecretPayload { secret }
    """
    given = {"name": "Nightly", "idempotencyKey": "once"}
    dry = (await owner.data(document, input={**given, "dryRun": True}))["mine"]
    assert (dry["secret"], dry["again"]) == (None, None)
    first = (await owner.data(document, input=given))["mine"]
    assert first["again"] == first["secret"]
    assert await is_let_in(bearing(owner, first["secret"]))
    again = await owner.post({"query": document, "variables": {"input": given}})
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["data"] == {"mine": {"secret": None, "again": None, "apiKey": first["apiKey"]}}
    kept = await administrator.fetch(
        "select answer from idempotency_records where organization_id = $1", owner.database.organization_id
    )
    assert len(kept) == 1
    assert first["secret"] not in kept[0]["answer"]


@pytest.mark.parametrize("field", ["apiKeyCreate", "apiKeyRotate", "apiKeyRevoke"])
async def test_nobody_manages_a_key_that_may_do_more_than_they(
    owner: Caller, founder: Founder, administrator: asyncpg.Connection, field: str
) -> None:
    """A developer makes, rotates and revokes developers' keys; an owner's is denied to it, and that is audited."""
    developer = await founder.colleague(owner, Role.DEVELOPER)
    owners, secret = await key_of(owner, role="owner")
    mine, _ = await key_of(developer)
    for key_id, role in ((owners, "owner"), (mine, "developer")):
        given = {"name": "x", "role": role} if field == "apiKeyCreate" else {"apiKeyId": key_id}
        document = (
            f"mutation($input: {field[0].upper()}{field[1:]}Input!) {{ {field}(input: $input) {{ apiKey {{ id }} }} }}"
        )
        answer = await developer.ask(document, input=given)
        if role == "owner":
            assert [error["extensions"]["code"] for error in answer["errors"]] == ["FORBIDDEN"]
            assert await denials(administrator, owner, f"api_key.{field.removeprefix('apiKey').lower()}") == 1
        else:
            assert answer["data"][field]["apiKey"]
    assert await is_let_in(bearing(owner, secret))


async def test_both_secrets_work_until_the_overlap_is_over(
    owner: Caller, elsewhere: httpx.AsyncClient, administrator: asyncpg.Connection
) -> None:
    """The key stays the same one; a third secret comes only by ending both others at once, in every process."""
    key_id, first = await key_of(owner)
    old, old_elsewhere = bearing(owner, first), bearing(owner, first, elsewhere)
    assert await is_let_in(old)
    assert await is_let_in(old_elsewhere)
    rotated = await owner.change("apiKeyRotate", {"apiKeyId": key_id}, f"secret {KEY}")
    second = rotated["secret"]
    assert rotated["apiKey"]["id"] == key_id
    assert second.startswith(rotated["apiKey"]["prefix"])
    for secret in (first, second):
        for http in (owner.http, elsewhere):
            seen = await bearing(owner, secret, http).data("{ viewer { name } }")
            assert seen == {"viewer": {"name": "Nightly"}}
    refused = await owner.attempt("apiKeyRotate", {"apiKeyId": key_id}, "secret")
    assert refusal(refused) == ("INVALID_STATE", "overlapSeconds")
    await administrator.execute(
        "update api_keys set former_until = now() + interval '50 milliseconds' where former_prefix = $1",
        first.rpartition("_")[0],
    )
    for caller in (old, old_elsewhere):
        await until(lambda caller=caller: _refused(caller))
    third = (await owner.change("apiKeyRotate", {"apiKeyId": key_id, "overlapSeconds": 0}, "secret"))["secret"]
    assert await is_let_in(bearing(owner, third))
    for http in (owner.http, elsewhere):
        await until(lambda http=http: _refused(bearing(owner, second, http)))


async def _refused(caller: Caller) -> bool:
    return not await is_let_in(caller)


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ({"overlapSeconds": -1}, "INVALID", "overlapSeconds"),
        ({"overlapSeconds": 604_801}, "INVALID", "overlapSeconds"),
        ({"apiKeyId": "key_01h455vb4pex5vsknk084sn02q"}, "NOT_FOUND", "apiKeyId"),
    ],
)
async def test_a_rotation_that_breaks_a_rule_is_refused(
    owner: Caller, given: dict[str, Any], code: str, path: str
) -> None:
    """An overlap of 0 seconds to 7 days."""
    key_id, _ = await key_of(owner)
    assert refusal(await owner.attempt("apiKeyRotate", {"apiKeyId": key_id, **given}, "secret")) == (code, path)


async def test_a_revoked_key_is_known_nowhere_and_cannot_be_brought_back(
    owner: Caller, elsewhere: httpx.AsyncClient
) -> None:
    """Both its secrets end in every process; it stays in the list, and neither rotates nor is revoked again."""
    key_id, first = await key_of(owner)
    second = (await owner.change("apiKeyRotate", {"apiKeyId": key_id}, "secret"))["secret"]
    bearers = [bearing(owner, secret, http) for secret in (first, second) for http in (owner.http, elsewhere)]
    for bearer in bearers:
        assert await is_let_in(bearer)
    revoked = (await owner.change("apiKeyRevoke", {"apiKeyId": key_id}, KEY))["apiKey"]
    assert revoked["revokedAt"] is not None
    for bearer in bearers:
        await until(lambda bearer=bearer: _refused(bearer))
    for field in ("apiKeyRotate", "apiKeyRevoke"):
        assert refusal(await owner.attempt(field, {"apiKeyId": key_id}, "apiKey { id }")) == (
            "INVALID_STATE",
            "apiKeyId",
        )
    listed = (await owner.data("{ apiKeys { nodes { id revokedAt } totalCount } }"))["apiKeys"]
    assert listed["totalCount"] == 2
    assert {"id": key_id, "revokedAt": revoked["revokedAt"]} in listed["nodes"]


async def test_the_last_owner_of_a_root_is_not_revoked(owner: Caller) -> None:
    """Of two that are revoked at once one stays; a member who is an owner counts, and a child needs none."""
    listed = (await owner.data("{ apiKeys { nodes { id } } }"))["apiKeys"]["nodes"]
    assert refusal(await owner.attempt("apiKeyRevoke", {"apiKeyId": listed[0]["id"]}, "apiKey { id }")) == (
        "INVALID_STATE",
        "apiKeyId",
    )
    other, _ = await key_of(owner, role="owner")
    both = [owner.attempt("apiKeyRevoke", {"apiKeyId": key_id}, "apiKey { id }") for key_id in (listed[0]["id"], other)]
    answers = await asyncio.gather(*both, return_exceptions=True)
    assert sum(isinstance(answer, dict) and answer["userErrors"] == [] for answer in answers) == 1


async def test_a_use_is_noted_once_a_minute_and_fails_nothing(
    owner: Caller, database: Database, administrator: asyncpg.Connection
) -> None:
    """By this process or another, in a suspended organization too; an organization that is gone takes nothing along."""
    _, secret = await key_of(owner)
    row = await administrator.fetchrow("select * from api_keys where prefix = $1", secret.rpartition("_")[0])
    assert row is not None
    principal = Principal("API_KEY", row["id"], row["name"], Role(row["role"]), row["organization_id"])
    nobody = dataclasses.replace(principal, id=principal.home, home=principal.id)

    async def noted(uses: LastUse, *, seconds_before: int) -> bool:
        """Whether a use is written that comes so long after the last one that was."""
        await administrator.execute(
            "update api_keys set last_used_at = now() - $2 * interval '1 second' where id = $1",
            row["id"],
            seconds_before,
        )
        before = await administrator.fetchval("select last_used_at from api_keys where id = $1", row["id"])
        uses.note(nobody)
        uses.note(principal)
        await uses.write()
        return before != await administrator.fetchval("select last_used_at from api_keys where id = $1", row["id"])

    here, there = LastUse(database), LastUse(database)
    assert await noted(here, seconds_before=61)
    assert not await noted(here, seconds_before=61)
    assert not await noted(there, seconds_before=59)
    await administrator.execute(
        "update organizations set status = 'SUSPENDED' where organization_id = $1", principal.home
    )
    assert await noted(LastUse(database), seconds_before=61)
    (listed, _) = (await owner.data("{ apiKeys { nodes { lastUsedAt } } }"))["apiKeys"]["nodes"]
    assert listed["lastUsedAt"] is not None
