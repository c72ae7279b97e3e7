"""What other sites' pages can do through a browser: nothing, unless a setting names them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from app.main import application
from app.settings import Settings
from tests.caller import Caller

OURS, OTHER = "https://dashboard.example", "https://evil.example"
QUERY = {"query": "{ viewer { name } }"}
CREATE = 'mutation { customerCreate(input: {name: "x"}) { customer { id } } }'


@asynccontextmanager
async def served(settings: Settings, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A server with other settings."""
    made = application(settings.model_copy(update=changes))
    async with made.router.lifespan_context(made):
        transport = httpx.ASGITransport(app=made)
        async with httpx.AsyncClient(transport=transport, base_url="http://tallygate.test") as client:
            yield client


def preflight(origin: str) -> dict[str, str]:
    """What a browser asks before a page's request with a key."""
    return {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,idempotency-key",
    }


async def test_no_origin_may_call_by_default(http: httpx.AsyncClient, owner: Caller) -> None:
    """A preflight is refused, and an answer names no origin, so that a browser keeps it from the page."""
    answer = await http.options("/graphql", headers=preflight(OURS))
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    answer = await owner.post(QUERY, headers={"origin": OURS})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_an_origin_that_is_named_may_call(settings: Settings, owner: Caller) -> None:
    """With a key of its own and no credential of the browser's; it may read the headers that matter. No other may."""
    async with served(settings, cors_origins=(OURS,)) as client:
        asked = await client.options("/graphql", headers=preflight(OURS))
        assert asked.status_code == 200
        assert asked.headers["access-control-allow-origin"] == OURS
        assert "authorization" in asked.headers["access-control-allow-headers"].lower()
        assert "access-control-allow-credentials" not in asked.headers
        assert asked.headers["x-request-id"]
        refused = await client.options("/graphql", headers=preflight(OTHER))
        assert refused.status_code == 400
        assert "access-control-allow-origin" not in refused.headers
        headers = {"authorization": f"Bearer {owner.api_key}", "origin": OURS}
        answer = await client.post("/graphql", json=QUERY, headers=headers)
        assert answer.headers["access-control-allow-origin"] == OURS
        assert {"retry-after", "x-request-id"} <= set(
            answer.headers["access-control-expose-headers"].lower().split(", ")
        )
        answer = await client.post("/graphql", json=QUERY, headers={**headers, "origin": OTHER})
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("value", ["*", "dashboard.example", "https://a.example/path", "https://a.example, null"])
def test_an_origin_is_a_scheme_and_a_host(settings: Settings, value: str) -> None:
    """What is none ends the program when it starts, and so does a star."""
    with pytest.raises(ValidationError):
        Settings.model_validate({**settings.model_dump(), "cors_origins": value})
    given = Settings.model_validate({**settings.model_dump(), "cors_origins": f"{OURS}, http://localhost:5173"})
    assert given.cors_origins == (OURS, "http://localhost:5173")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/graphql"],
)
async def test_a_form_of_another_site_changes_nothing(owner: Caller, content_type: str) -> None:
    """What a browser sends without asking first is never executed, even with a key: 415."""
    headers = {"authorization": f"Bearer {owner.api_key}", "content-type": content_type, "origin": OTHER}
    for body in (f'{{"query": {CREATE!r}}}'.replace("'", '"'), f"query={CREATE}"):
        answer = await owner.http.post("/graphql", content=body, headers=headers)
        assert answer.status_code == 415
    assert (await owner.data("{ customers { totalCount } }"))["customers"]["totalCount"] == 1


# ---------------------------------------------------------------- introspection


async def test_introspection_can_be_switched_off(settings: Settings, owner: Caller) -> None:
    """Then the schema is not told, not by suggestions either; all else is answered, `__typename` too."""
    headers = {"authorization": f"Bearer {owner.api_key}", "accept": "application/graphql-response+json"}
    wrong = [
        "{ custmers { totalCount } }",
        "{ customers { nodes { nam } } }",
        "{ customers(fist: 1) { totalCount } }",
        "{ invoices(filter: { status: FINALISED }) { totalCount } }",
        "query($f: InvoiceFiltr) { invoices(filter: $f) { totalCount } }",
    ]
    async with served(settings, introspection=False) as client:
        for query in ("{ __schema { types { name } } }", '{ __type(name: "Query") { name } }'):
            # Known to the process by another server of it, and yet refused.
            assert "errors" not in await owner.ask(query)
            answer = await client.post("/graphql", json={"query": query}, headers=headers)
            assert answer.status_code == 400
            (error,) = answer.json()["errors"]
            assert error["extensions"]["code"] == "BAD_USER_INPUT"
        for query in wrong:
            assert "Did you mean" in (await owner.ask(query))["errors"][0]["message"]
            answer = await client.post("/graphql", json={"query": query}, headers=headers)
            assert "Did you mean" not in answer.text
        variables = {"query": "query($f: InvoiceFilter) { invoices(filter: $f) { totalCount } }"}
        answer = await client.post("/graphql", json={**variables, "variables": {"f": {"statu": 1}}}, headers=headers)
        assert answer.status_code == 400
        assert "Did you mean" not in answer.text
        answer = await client.post("/graphql", json={"query": "{ __typename }"}, headers=headers)
        assert answer.json()["data"] == {"__typename": "Query"}


# ---------------------------------------------------------------- what is not served


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "NOT_FOUND"),
        ("POST", "/graph", 404, "NOT_FOUND"),
        ("DELETE", "/graphql", 405, "BAD_USER_INPUT"),
        ("POST", "/livez", 405, "BAD_USER_INPUT"),
    ],
)
async def test_what_is_not_served_is_answered_as_json(
    http: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    """With a code and the request's id, like any other error."""
    answer = await http.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json; charset=utf-8")
    (error,) = answer.json()["errors"]
    assert error["extensions"] == {"code": code, "requestId": answer.headers["x-request-id"]}
    assert ("allow" in answer.headers) is (status == 405)
