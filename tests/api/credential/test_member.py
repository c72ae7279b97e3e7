"""Members through HTTP: a token, the organizations that its subject is a member of, and the one that it acts in."""

import asyncio
import dataclasses
import secrets
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from app.domain.role import Role
from app.main import application
from app.settings import Settings
from app.store.tenancy import Database
from tests.api.credential.provider import AUDIENCE, ISSUER, claims, serving, token
from tests.caller import Caller, Founder
from tests.operations.steps import refusal
from tests.tenancy.records import child_of

WHO = "{ viewer { kind name role organization { id } } }"


@pytest.fixture(scope="module")
async def people(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application where an identity provider is set."""
    async with serving() as provider:
        oidc = {"oidc_issuer": ISSUER, "oidc_audience": AUDIENCE, "oidc_jwks_url": provider.url}
        made = application(settings.model_copy(update=oidc))
        async with (
            made.router.lifespan_context(made),
            httpx.AsyncClient(transport=httpx.ASGITransport(app=made), base_url="http://people.test") as client,
        ):
            yield client


def signed_in(people: httpx.AsyncClient, subject: str, inside: str | None = None) -> Caller:
    """Somebody with a token, who names an organization or none."""
    headers = {} if inside is None else {"x-organization-id": inside}
    return Caller(people, token(content=claims(sub=subject)), inside or "", None, headers)  # ty: ignore


def somebody() -> str:
    return f"auth0|{secrets.token_hex(8)}"


async def add(owner: Caller, subject: str, role: str = "support") -> str:
    made = await owner.change(
        "memberAdd", {"subject": subject, "role": role, "email": "x@example.com"}, "member { id }"
    )
    return made["member"]["id"]


async def answered(caller: Caller) -> tuple[int, str, str]:
    """What comes of asking who one is: the status, and the organization's id, or the error's code and message."""
    answer = await caller.post({"query": WHO})
    content = answer.json()
    if "errors" in content:
        (error,) = content["errors"]
        return answer.status_code, error["extensions"]["code"], error["message"]
    return answer.status_code, content["data"]["viewer"]["organization"]["id"], content["data"]["viewer"]["role"]


async def denials_of_entry(administrator: asyncpg.Connection, caller: Caller) -> list[str]:
    found = await administrator.fetch(
        "select principal_kind from audit_records where organization_id = $1 and outcome = 'DENIED'"
        " and action = 'organization.enter'",
        caller.database.organization_id,
    )
    return [row[0] for row in found]


async def test_a_member_acts_in_the_one_organization_of_theirs(people: httpx.AsyncClient, owner: Caller) -> None:
    """As what they are there; whatever else they ask is held to that role, and where they are no member is nothing."""
    subject = somebody()
    status, code, _ = await answered(signed_in(people, subject))
    assert (status, code) == (403, "FORBIDDEN")
    await add(owner, subject, "billing")
    member = signed_in(people, subject)
    assert (await member.data(WHO))["viewer"] == {
        "kind": "USER",
        "name": subject,
        "role": "billing",
        "organization": {"id": owner.organization_id},
    }
    denied = await member.ask('mutation { memberAdd(input: {subject: "x", role: "support"}) { member { id } } }')
    assert denied["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    taken = await owner.attempt("memberAdd", {"subject": subject, "role": "support"}, "member { id }")
    assert refusal(taken) == ("ALREADY_EXISTS", "subject")


async def test_a_member_of_several_organizations_chooses_among_them(
    people: httpx.AsyncClient, owner: Caller, stranger: Caller, founder: Founder, administrator: asyncpg.Connection
) -> None:
    """By X-Organization-ID, which opens none but those; a name that is refused is audited at home."""
    subject = somebody()
    await add(owner, subject, "billing")
    await add(stranger, subject, "support")
    status, code, message = await answered(signed_in(people, subject))
    assert (status, code) == (400, "BAD_USER_INPUT")
    assert "X-Organization-ID" in message
    for caller, role in ((owner, "billing"), (stranger, "support")):
        inside = signed_in(people, subject, caller.organization_id)
        assert await answered(inside) == (200, caller.organization_id, role)
    third = await founder.organization()
    refused = [await answered(signed_in(people, subject, name)) for name in (third.organization_id, "org_x", "")]
    assert {(status, code) for status, code, _ in refused} == {(403, "FORBIDDEN")}
    assert len(set(refused)) == 1
    at_home = [await denials_of_entry(administrator, caller) for caller in (owner, stranger)]
    assert sorted(at_home) == [[], ["USER"] * 3]
    assert await denials_of_entry(administrator, third) == []


async def test_a_member_goes_below_where_the_role_allows(
    people: httpx.AsyncClient, owner: Caller, founder: Founder, database: Database
) -> None:
    """An admin enters a child, a supporter does not; a member of the child too is there what they are there."""
    child = await child_of(founder, database, owner, "Child")
    admin, supporter, both = somebody(), somebody(), somebody()
    await add(owner, admin, "admin")
    await add(owner, supporter, "support")
    await add(owner, both, "owner")
    await add(child, both, "ingest")
    assert await answered(signed_in(people, admin, child.organization_id)) == (200, child.organization_id, "admin")
    assert (await answered(signed_in(people, supporter, child.organization_id)))[0] == 403
    assert await answered(signed_in(people, both, child.organization_id)) == (200, child.organization_id, "ingest")
    assert await answered(signed_in(people, both, owner.organization_id)) == (200, owner.organization_id, "owner")


async def test_a_member_who_is_removed_is_let_in_no_longer(people: httpx.AsyncClient, owner: Caller) -> None:
    """The server that remembers them hears it; what they did stays recorded, and a removed owner was not the last."""
    subject = somebody()
    member_id = await add(owner, subject)
    member = signed_in(people, subject)
    assert (await answered(member))[0] == 200
    removed = await owner.change("memberRemove", {"memberId": member_id}, "member { id subject email }")
    assert removed["member"] == {"id": member_id, "subject": subject, "email": "x@example.com"}
    async with asyncio.timeout(10):
        while (await answered(member))[0] != 403:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    assert (await owner.data("{ members { totalCount } }"))["members"]["totalCount"] == 0


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"subject": ""}, "subject"),
        ({"subject": "é"}, "subject"),
        ({"role": "king"}, "role"),
        ({"email": "x"}, "email"),
    ],
)
async def test_a_member_who_breaks_a_rule_is_refused(owner: Caller, given: dict[str, str], path: str) -> None:
    """A subject as OpenID Connect has them, a role that there is."""
    refused = await owner.attempt("memberAdd", {"subject": somebody(), "role": "support", **given}, "member { id }")
    assert refusal(refused) == ("INVALID", path)


async def test_where_no_provider_is_set_a_token_is_no_credential(owner: Caller) -> None:
    """It is answered like any text that is no key."""
    status, code, _ = await answered(dataclasses.replace(owner, api_key=token()))
    assert (status, code) == (401, "UNAUTHENTICATED")


async def test_a_key_that_may_not_enter_leaves_a_record_at_home(
    owner: Caller, stranger: Caller, founder: Founder, administrator: asyncpg.Connection
) -> None:
    """Whatever it named, and whatever the state of its own organization."""
    supporter = await founder.colleague(owner, Role.SUPPORT)
    supporter.headers["x-organization-id"] = stranger.organization_id
    assert (await answered(supporter))[0] == 403
    await administrator.execute(
        "update organizations set status = 'SUSPENDED' where organization_id = $1", owner.database.organization_id
    )
    assert (await answered(supporter))[0] == 403
    assert await denials_of_entry(administrator, owner) == ["API_KEY"] * 2
    assert await denials_of_entry(administrator, stranger) == []
