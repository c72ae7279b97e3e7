"""Documents by name: trusted ones of an organization, credentials that may send no others, Apollo's automatic ones."""

import asyncio
import hashlib
import json
from typing import Any

import asyncpg
import httpx
import pytest

from app.api import documents
from tests.caller import Caller

NEWER = {"accept": "application/graphql-response+json"}
QUERY = "query Who { viewer { name role } }"
VARIED = "query Page($n: Int!) { customers(first: $n) { nodes { isDefault } } }"
CHANGE = 'mutation Make { customerCreate(input: { name: "Plugh" }) { customer { name } } }'


def named(document: str) -> str:
    return "sha256:" + hashlib.sha256(document.encode()).hexdigest()


def persisted(document: str, **changes: Any) -> dict[str, Any]:
    """Extensions as Apollo's clients send them."""
    return {"persistedQuery": {"version": 1, "sha256Hash": named(document).removeprefix("sha256:"), **changes}}


async def register(caller: Caller, document: str) -> dict[str, Any]:
    payload = await caller.change(
        "trustedDocumentRegister", {"document": document}, "trustedDocument { id documentId document }"
    )
    return payload["trustedDocument"]


async def send(caller: Caller, body: dict[str, Any]) -> httpx.Response:
    return await caller.post(body, headers=NEWER)


def code(answer: httpx.Response) -> str:
    (error,) = answer.json()["errors"]
    assert error["extensions"]["requestId"] == answer.headers["x-request-id"]
    return error["extensions"]["code"]


async def restricted(owner: Caller) -> Caller:
    """A credential of the same organization and role that may send trusted documents alone."""
    made = await owner.change("apiKeyCreate", {"name": "app", "role": "owner", "trustedDocumentsOnly": True}, "secret")
    return Caller(owner.http, made["secret"], owner.organization_id, owner.database)


# ---------------------------------------------------------------- trusted documents


async def test_a_trusted_document_is_sent_by_its_identifier(owner: Caller) -> None:
    """The hash of its text, as the appendix of GraphQL over HTTP has it: by POST and by GET, with variables."""
    trusted = await register(owner, VARIED)
    assert trusted["documentId"] == named(VARIED)
    assert trusted["document"] == VARIED
    expected = {"customers": {"nodes": [{"isDefault": True}]}}
    body = {"documentId": named(VARIED), "variables": {"n": 1}, "operationName": "Page"}
    assert (await send(owner, body)).json()["data"] == expected
    parameters = {"documentId": named(VARIED), "variables": json.dumps({"n": 1})}
    headers = {"authorization": f"Bearer {owner.api_key}"}
    answer = await owner.http.get("/graphql", params=parameters, headers=headers)
    assert answer.json()["data"] == expected


async def test_a_mutation_is_trusted_too_but_not_by_get(owner: Caller) -> None:
    """The rule of GET holds for what is named as for what is spelled."""
    await register(owner, CHANGE)
    assert (await send(owner, {"documentId": named(CHANGE)})).json()["data"]["customerCreate"]["customer"]
    headers = {"authorization": f"Bearer {owner.api_key}"}
    answer = await owner.http.get("/graphql", params={"documentId": named(CHANGE)}, headers=headers)
    assert answer.status_code == 405


async def test_the_same_text_is_the_same_document(owner: Caller) -> None:
    """Whoever deploys twice registers nothing new; another blank is another document."""
    first = await register(owner, QUERY)
    assert await register(owner, QUERY) == first
    assert (await register(owner, QUERY + " "))["id"] != first["id"]


@pytest.mark.parametrize(
    "document", ["", "{", "{ unknown }", "{ viewer { name } } " * 600, "query A { viewer { nam } }"]
)
async def test_what_could_not_be_executed_is_not_trusted(owner: Caller, document: str) -> None:
    """INVALID, with what is wrong."""
    payload = await owner.attempt("trustedDocumentRegister", {"document": document}, "trustedDocument { id }")
    assert [error["code"] for error in payload["userErrors"]] == ["INVALID"]
    assert payload["trustedDocument"] is None


async def test_an_unknown_identifier_and_another_organizations_are_one(owner: Caller, stranger: Caller) -> None:
    """400, DOCUMENT_NOT_FOUND, the same words; nothing tells whether somebody else trusts it."""
    await register(stranger, QUERY)
    assert (await send(stranger, {"documentId": named(QUERY)})).status_code == 200
    answers = [
        await send(owner, {"documentId": name}) for name in (named(QUERY), named("{ a }"), "who", "sha256:", "x-a:b")
    ]
    assert {answer.status_code for answer in answers} == {400}
    assert {code(answer) for answer in answers} == {"DOCUMENT_NOT_FOUND"}
    assert len({answer.json()["errors"][0]["message"] for answer in answers}) == 1


async def test_an_identifier_beside_another_document_is_refused(owner: Caller) -> None:
    """Both together only where they are the same."""
    await register(owner, QUERY)
    assert (await send(owner, {"documentId": named(QUERY), "query": QUERY})).status_code == 200
    answer = await send(owner, {"documentId": named(QUERY), "query": "{ viewer { role } }"})
    assert (answer.status_code, code(answer)) == (400, "BAD_USER_INPUT")
    answer = await send(owner, {"documentId": 5})
    assert (answer.status_code, code(answer)) == (400, "BAD_USER_INPUT")


async def test_a_document_that_was_removed_is_not_found(owner: Caller) -> None:
    """As soon as it is heard, though the process had kept it; removing it again is NOT_FOUND."""
    trusted = await register(owner, QUERY)
    for _ in range(2):
        assert (await send(owner, {"documentId": named(QUERY)})).status_code == 200
    remove = {"trustedDocumentId": trusted["id"]}
    await owner.change("trustedDocumentRemove", remove, "trustedDocument { id }")
    async with asyncio.timeout(10):
        while (answer := await send(owner, {"documentId": named(QUERY)})).status_code == 200:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert code(answer) == "DOCUMENT_NOT_FOUND"
    payload = await owner.attempt("trustedDocumentRemove", remove, "trustedDocument { id }")
    assert [error["code"] for error in payload["userErrors"]] == ["NOT_FOUND"]


# ---------------------------------------------------------------- credentials that may send no others


async def test_a_credential_may_be_held_to_trusted_documents(owner: Caller, administrator: asyncpg.Connection) -> None:
    """By name or by text; all else is FORBIDDEN, introspection too, and audited."""
    app = await restricted(owner)
    await register(owner, QUERY)
    for body in ({"documentId": named(QUERY)}, {"query": QUERY}, {"extensions": persisted(QUERY)}):
        assert (await send(app, body)).json()["data"] == {"viewer": {"name": "app", "role": "owner"}}
    refused: list[dict[str, Any]] = [
        {"query": "{ viewer { name } }"},
        {"query": "{ __schema { types { name } } }"},
        {"query": CHANGE},
        {"query": "{"},
        {"query": "{ viewer { role } }", "extensions": persisted("{ viewer { role } }")},
    ]
    for body in refused:
        answer = await send(app, body)
        assert (answer.status_code, code(answer)) == (403, "FORBIDDEN")
    found = await administrator.fetch(
        "select outcome from audit_records where organization_id = $1 and action = 'document.execute'",
        owner.database.organization_id,
    )
    assert [row["outcome"] for row in found] == ["DENIED"] * len(refused)


async def test_such_a_credential_cannot_widen_itself(owner: Caller) -> None:
    """It says of no document that it is trusted, and the keys that it makes are held as it is."""
    app = await restricted(owner)
    widen = "mutation($d: String!) { trustedDocumentRegister(input: { document: $d }) { trustedDocument { id } } }"
    make = 'mutation { apiKeyCreate(input: { name: "child" }) { apiKey { trustedDocumentsOnly } secret } }'
    for document in (widen, make):
        await register(owner, document)
    answer = await app.ask(widen, d="{ viewer { role } }")
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    made = (await app.data(make))["apiKeyCreate"]
    assert made["apiKey"] == {"trustedDocumentsOnly": True}
    child = Caller(owner.http, made["secret"], owner.organization_id, owner.database)
    assert code(await send(child, {"query": "{ viewer { role } }"})) == "FORBIDDEN"


async def test_others_hash_does_not_pass_a_text(owner: Caller) -> None:
    """What another credential made the process remember is not trusted by it."""
    await send(owner, {"query": "{ viewer { role } }", "extensions": persisted("{ viewer { role } }")})
    app = await restricted(owner)
    answer = await send(app, {"extensions": persisted("{ viewer { role } }")})
    assert code(answer) == "PERSISTED_QUERY_NOT_FOUND"


# ---------------------------------------------------------------- automatic persisted queries


async def test_automatic_persisted_queries_as_apollos_clients_do_them(owner: Caller) -> None:
    """The hash alone is not found; with its document it is executed and remembered; then the hash is enough."""
    query = "query Apollo { viewer { role } }"
    answer = await send(owner, {"extensions": persisted(query)})
    assert (answer.status_code, code(answer)) == (200, "PERSISTED_QUERY_NOT_FOUND")
    assert answer.json()["errors"][0]["message"] == "PersistedQueryNotFound"
    assert (await send(owner, {"query": query, "extensions": persisted(query)})).json()["data"]
    assert (await send(owner, {"extensions": persisted(query)})).json()["data"] == {"viewer": {"role": "owner"}}
    parameters = {"extensions": json.dumps(persisted(query))}
    headers = {"authorization": f"Bearer {owner.api_key}"}
    answer = await owner.http.get("/graphql", params=parameters, headers=headers)
    assert answer.json()["data"] == {"viewer": {"role": "owner"}}


async def test_a_hash_that_is_not_the_documents_is_refused(owner: Caller) -> None:
    """And nothing is remembered, so that nobody can put a document under another's hash."""
    answer = await send(owner, {"query": "{ viewer { role } }", "extensions": persisted("{ viewer { name } }")})
    assert (answer.status_code, code(answer)) == (400, "BAD_USER_INPUT")
    assert answer.json()["errors"][0]["message"] == "provided sha does not match query"
    assert code(await send(owner, {"extensions": persisted("{ viewer { name } }")})) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"sha256Hash": "ABC"}, {"sha256Hash": None}, {"sha256Hash": "A" * 64}]
)
async def test_another_version_or_form_is_refused(owner: Caller, change: dict[str, Any]) -> None:
    """BAD_USER_INPUT, with the document or without."""
    for body in ({}, {"query": QUERY}):
        answer = await send(owner, {**body, "extensions": persisted(QUERY, **change)})
        assert (answer.status_code, code(answer)) == (400, "BAD_USER_INPUT")


async def test_what_is_remembered_is_an_organizations_own(owner: Caller, stranger: Caller) -> None:
    """Another learns nothing of it."""
    query = "query Mine { viewer { role } }"
    await send(owner, {"query": query, "extensions": persisted(query)})
    assert code(await send(stranger, {"extensions": persisted(query)})) == "PERSISTED_QUERY_NOT_FOUND"


async def test_what_is_not_valid_is_not_remembered(owner: Caller) -> None:
    """Nor what was refused."""
    for query in ("{", "{ unknown }"):
        await send(owner, {"query": query, "extensions": persisted(query)})
        assert code(await send(owner, {"extensions": persisted(query)})) == "PERSISTED_QUERY_NOT_FOUND"


async def test_the_oldest_are_forgotten(owner: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """The texts that are kept are bounded in bytes."""
    monkeypatch.setattr(documents, "BYTES_MAX", 1_000)
    queries = [f"{{ viewer {{ role }} }} # {str(number) * 400}" for number in range(4)]
    for query in queries:
        await send(owner, {"query": query, "extensions": persisted(query)})
    assert code(await send(owner, {"extensions": persisted(queries[0])})) == "PERSISTED_QUERY_NOT_FOUND"
    assert (await send(owner, {"extensions": persisted(queries[3])})).json()["data"]
