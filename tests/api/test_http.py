"""GraphQL over HTTP, to the letter: media types, credentials, headers, methods, probes."""

import asyncio
import json
import re
from typing import Any

import asyncpg
import httpx
import pytest

from app.domain.credential import api_key_from_entropy
from app.domain.role import Role
from app.main import application
from app.settings import Settings
from tests.caller import Caller, Founder

NEWER = "application/graphql-response+json"
OLDER = "application/json"
QUERY = "{ viewer { name } }"
WRONG = "{ unknown }"


async def ask(caller: Caller, query: str, accept: str | None, **headers: str) -> httpx.Response:
    sent = {"authorization": f"Bearer {caller.api_key}", "content-type": OLDER, **headers}
    if accept is not None:
        sent["accept"] = accept
    return await caller.http.post("/graphql", content=json.dumps({"query": query}), headers=sent)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (NEWER, NEWER),
        (f"{NEWER}; charset=utf-8", NEWER),
        (f"{NEWER}, {OLDER}", NEWER),
        (f"{OLDER}, {NEWER};q=0.5", NEWER),
        ("Application/GraphQL-Response+JSON", NEWER),
        (OLDER, OLDER),
        ("*/*", OLDER),
        ("application/*", OLDER),
        (None, OLDER),
        ("text/html", OLDER),
        ("image/png", OLDER),
    ],
)
async def test_the_answers_media_type_follows_accept(owner: Caller, accept: str | None, media_type: str) -> None:
    """The newer one where it is asked for, else plain JSON; in UTF-8 either way."""
    for query in (QUERY, WRONG):
        answer = await ask(owner, query, accept)
        assert answer.headers["content-type"] == f"{media_type}; charset=utf-8"


@pytest.mark.parametrize(
    ("query", "newer", "older"),
    [
        (QUERY, 200, 200),
        ("{", 400, 200),
        (WRONG, 400, 200),
        ("query($x: Int!) { customers(first: $x) { totalCount } }", 400, 200),
        ("query A { viewer { name } } query B { viewer { name } }", 400, 200),
        ("{ viewer { name } " * 700 + "}" * 700, 400, 200),
        # What fails while it is executed is an answer with data, in both.
        ("{ customers(first: 0) { totalCount } }", 200, 200),
    ],
)
async def test_a_refused_document_has_its_own_status_in_the_newer_media_type(
    owner: Caller, query: str, newer: int, older: int
) -> None:
    """400 without a data key there, 200 in plain JSON; the errors are the same."""
    answers = [await ask(owner, query, accept, **{"x-request-id": "same"}) for accept in (NEWER, OLDER)]
    assert [answer.status_code for answer in answers] == [newer, older]
    assert answers[0].json() == answers[1].json()
    assert ("data" in answers[0].json()) is (newer == 200)


@pytest.mark.parametrize("accept", [NEWER, OLDER])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"null", 400),
        (b"[]", 400),
        (b'{"query": 5}', 400),
        (b'{"query": "{ viewer { name } }", "variables": 5}', 400),
    ],
)
async def test_a_body_that_is_no_request_is_400_in_both(owner: Caller, accept: str, body: bytes, status: int) -> None:
    """What never became a GraphQL request is refused by HTTP itself."""
    headers = {"authorization": f"Bearer {owner.api_key}", "content-type": OLDER, "accept": accept}
    answer = await owner.http.post("/graphql", content=body, headers=headers)
    assert answer.status_code == status
    assert "data" not in answer.json()


async def test_an_errors_shape(owner: Caller) -> None:
    """message, locations and path where they are known, extensions with code and requestId; beside them the cost."""
    answer = await ask(owner, "{\n  viewer { name }\n  c: customers(first: 0) { totalCount }\n}", NEWER)
    assert answer.json() == {
        "data": None,
        "extensions": {"cost": {"requested": 6, "budget": 10_000}},
        "errors": [
            {
                "message": "`first` is from 1 to 100.",
                "locations": [{"line": 3, "column": 3}],
                "path": ["c"],
                "extensions": {"code": "BAD_USER_INPUT", "requestId": answer.headers["x-request-id"]},
            }
        ],
    }
    answer = await ask(owner, "{ unknown }", NEWER)
    (error,) = answer.json()["errors"]
    assert set(error) == {"message", "locations", "extensions"}
    answer = await owner.http.post(
        "/graphql", content=b"{", headers={"authorization": f"Bearer {owner.api_key}", "content-type": OLDER}
    )
    (error,) = answer.json()["errors"]
    assert set(error) == {"message", "extensions"}


# ---------------------------------------------------------------- credentials


def altered(key: str) -> str:
    """A key with the right prefix and another secret."""
    return key[:-1] + ("a" if key[-1] != "a" else "b")


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic {key}",
        "{key}",
        "Bearer{key}",
        "Token {key}",
        "Bearer {key} {key}",
        "Bearer {key},",
        'Bearer "{key}"',
        "Bearer {upper}",
        "Bearer {altered}",
        "Bearer {unknown}",
        "Bearer {prefix}",
        "Bearer {key}x",
        "Bearer tg_live_",
        "Bearer eyJhbGciOiJub25lIn0.e30.",
        "Bearer " + "x" * 10_000,
        "Bearer \u00e9",
    ],
)
async def test_without_a_key_in_force_nothing_is_answered(owner: Caller, authorization: str | None) -> None:
    """401 with WWW-Authenticate, one error, and nothing of the document looked at, not even its syntax."""
    headers = {"content-type": OLDER, "accept": NEWER}
    if authorization is not None:
        headers["authorization"] = authorization.format(
            key=owner.api_key,
            upper=owner.api_key.upper(),
            altered=altered(owner.api_key),
            unknown=api_key_from_entropy(b"\x07" * 40, test=False).secret,
            prefix=owner.api_key.rpartition("_")[0],
        )
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    answers = [
        await owner.http.post("/graphql", content=body, headers=encoded)
        for body in (
            json.dumps({"query": QUERY}),
            json.dumps({"query": "{"}),
            "{",
            json.dumps({"query": "{ __typename }"}),
        )
    ]
    for answer in answers:
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        (error,) = answer.json()["errors"]
        assert error["extensions"]["code"] == "UNAUTHENTICATED"
        assert "data" not in answer.json()
        assert owner.api_key[-20:] not in answer.text


@pytest.mark.parametrize("form", ["Bearer {key}", "bearer {key}", "BEARER {key}", "Bearer   {key}", "Bearer {key} "])
async def test_the_scheme_is_read_in_any_case(owner: Caller, form: str) -> None:
    """RFC 9110: the scheme's case does not matter, nor does the white space around the key."""
    answer = await ask(owner, QUERY, NEWER, authorization=form.format(key=owner.api_key))
    assert answer.json()["data"] == {"viewer": {"name": "owner"}}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("revoked_at = now()", 401),
        ("expires_at = now() - interval '1 second'", 401),
        ("expires_at = now()", 401),
        ("expires_at = now() + interval '1 hour'", 200),
    ],
)
async def test_a_key_that_is_revoked_or_expired_is_not_known_any_more(
    owner: Caller, founder: Founder, administrator: asyncpg.Connection, change: str, status: int
) -> None:
    """Whoever changes it, the server hears, and answers as if it never was; others of the organization go on."""
    colleague = await founder.colleague(owner, Role.BILLING)
    assert (await ask(colleague, QUERY, NEWER)).status_code == 200
    await administrator.execute(f"update api_keys set {change} where prefix = $1", colleague.api_key.rpartition("_")[0])
    async with asyncio.timeout(10):
        while (answer := await ask(colleague, QUERY, NEWER)).status_code != status:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    unknown = await ask(owner, QUERY, NEWER, authorization=f"Bearer {altered(owner.api_key)}")
    if status == 401:
        assert answer.json()["errors"][0]["message"] == unknown.json()["errors"][0]["message"]
    assert (await ask(owner, QUERY, NEWER)).status_code == 200


async def test_two_authorization_headers_do_not_add_up(owner: Caller, stranger: Caller) -> None:
    """Of two keys in one request never both are tried: the first counts or none does."""
    headers = [
        (b"authorization", f"Bearer {altered(owner.api_key)}".encode()),
        (b"authorization", f"Bearer {stranger.api_key}".encode()),
        (b"content-type", b"application/json"),
    ]
    answer = await owner.http.post("/graphql", content=json.dumps({"query": QUERY}), headers=headers)
    assert answer.status_code == 401


async def test_a_cookie_is_no_credential(owner: Caller) -> None:
    """Nor is a key in the address: what a browser sends by itself opens nothing."""
    headers = {"cookie": f"authorization=Bearer {owner.api_key}; api_key={owner.api_key}", "content-type": OLDER}
    answer = await owner.http.post(
        f"/graphql?api_key={owner.api_key}&access_token={owner.api_key}",
        content=json.dumps({"query": QUERY}),
        headers=headers,
    )
    assert answer.status_code == 401


# ---------------------------------------------------------------- headers


EVERYWHERE = ["/graphql", "/livez", "/readyz", "/nowhere"]


@pytest.mark.parametrize("path", EVERYWHERE)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
async def test_every_answer_bears_the_headers_that_browsers_obey(owner: Caller, path: str, method: str) -> None:
    """Also where it is an error; no header tells of the server, allows another site or sets a cookie."""
    answer = await owner.http.request(method, path, headers={"origin": "https://evil.example"})
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-request-id"]
    assert not {"server", "set-cookie", "access-control-allow-origin", "x-powered-by"} & set(answer.headers)
    assert answer.status_code < 500


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("partner-42", True),
        ("A.b_c:d-9", True),
        ("x" * 100, True),
        ("x" * 101, False),
        ("", False),
        (" ", False),
        ("two words", False),
        ("tab\there", False),
        ("\u00e9", False),
        ("<script>", False),
        ('"quoted"', False),
        ("a;b", False),
        ("a,b", False),
    ],
)
async def test_a_plain_request_id_is_kept_and_any_other_replaced(owner: Caller, given: str, kept: bool) -> None:
    """It comes back in the header and in every error, so that both sides speak of the same request."""
    headers = [
        (b"authorization", f"Bearer {owner.api_key}".encode()),
        (b"content-type", b"application/json"),
        (b"x-request-id", given.encode("latin-1")),
    ]
    answer = await owner.http.post("/graphql", content=json.dumps({"query": WRONG}), headers=headers)
    shown = answer.headers["x-request-id"]
    assert answer.json()["errors"][0]["extensions"]["requestId"] == shown
    assert (shown == given) is kept
    assert re.fullmatch(r"[A-Za-z0-9_.:-]{1,100}", shown)


async def test_request_ids_that_we_give_differ(owner: Caller) -> None:
    """Each request has its own."""
    found = {(await ask(owner, QUERY, NEWER)).headers["x-request-id"] for _ in range(20)}
    assert len(found) == 20


# ---------------------------------------------------------------- methods and other paths


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_a_method_that_is_not_served_is_405(owner: Caller, method: str) -> None:
    """With Allow, and without anything being executed."""
    mutation = 'mutation { customerCreate(input: {name: "x"}) { customer { id } } }'
    headers = {"authorization": f"Bearer {owner.api_key}", "content-type": OLDER}
    answer = await owner.http.request(method, "/graphql", content=json.dumps({"query": mutation}), headers=headers)
    assert answer.status_code == 405
    assert {"GET", "POST"} <= set(answer.headers["allow"].replace(" ", "").split(","))
    assert (await owner.data("{ customers { totalCount } }"))["customers"]["totalCount"] == 1


async def test_a_head_is_a_get_without_its_answer(owner: Caller) -> None:
    """The same status and media type for a query; never a mutation, whatever its body holds."""
    headers = {"authorization": f"Bearer {owner.api_key}", "accept": NEWER}
    for query, status in [(QUERY, 200), (WRONG, 400), ("{", 400)]:
        answers = [
            await owner.http.request(method, "/graphql", params={"query": query}, headers=headers)
            for method in ("GET", "HEAD")
        ]
        assert [answer.status_code for answer in answers] == [status, status]
        assert answers[0].headers["content-type"] == answers[1].headers["content-type"]


async def test_a_get_takes_variables_and_a_name(owner: Caller) -> None:
    """As the address carries them: JSON in `variables`, null where it is empty."""
    headers = {"authorization": f"Bearer {owner.api_key}", "accept": NEWER}
    parameters = {
        "query": "query A($n: Int) { customers(first: $n) { nodes { isDefault } } } query B { viewer { role } }",
        "variables": json.dumps({"n": 1}),
        "operationName": "A",
    }
    answer = await owner.http.get("/graphql", params=parameters, headers=headers)
    assert answer.json()["data"] == {"customers": {"nodes": [{"isDefault": True}]}}
    answer = await owner.http.get(
        "/graphql", params={**parameters, "operationName": "B", "variables": ""}, headers=headers
    )
    assert answer.json()["data"] == {"viewer": {"role": "owner"}}


@pytest.mark.parametrize(
    ("accept", "parameters", "page"),
    [
        ("text/html", {}, True),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", {}, True),
        ("text/html", {"query": QUERY}, False),
        ("*/*", {}, False),
        (OLDER, {}, False),
        (NEWER, {}, False),
        (None, {}, False),
    ],
)
async def test_graphiql_is_for_browsers_alone(
    http: httpx.AsyncClient, accept: str | None, parameters: dict[str, str], page: bool
) -> None:
    """A page only where text/html is asked for without a query, with a policy that lets no other site in."""
    headers = {} if accept is None else {"accept": accept}
    answer = await http.get("/graphql", params=parameters, headers=headers)
    if page:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "unsafe-eval" not in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
    else:
        assert answer.status_code == 401
        assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_without_graphiql_there_is_no_page(settings: Settings, owner: Caller) -> None:
    """Where it is switched off, a browser is answered like any other."""
    plain = application(settings.model_copy(update={"graphiql": False}))
    async with plain.router.lifespan_context(plain):
        transport = httpx.ASGITransport(app=plain)
        async with httpx.AsyncClient(transport=transport, base_url="http://tallygate.test") as client:
            answer = await client.get("/graphql", headers={"accept": "text/html"})
            assert answer.status_code == 401
            answer = await client.post(
                "/graphql", json={"query": QUERY}, headers={"authorization": f"Bearer {owner.api_key}"}
            )
            assert answer.status_code == 200


async def test_the_probes(http: httpx.AsyncClient, settings: Settings) -> None:
    """/livez says that the process runs, /readyz that its database answers: 503 once it does not."""
    for path in ("/livez", "/readyz"):
        assert (await http.get(path)).status_code == 200
    stopped = application(settings)
    async with stopped.router.lifespan_context(stopped):
        pass
    transport = httpx.ASGITransport(app=stopped)
    async with httpx.AsyncClient(transport=transport, base_url="http://tallygate.test") as client:
        assert (await client.get("/livez")).status_code == 200
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert "postgres" not in answer.text.lower()


async def test_a_database_that_is_gone_is_overloaded_and_not_internal(settings: Settings, owner: Caller) -> None:
    """503 with Retry-After and OVERLOADED: the same request may succeed in a moment."""
    stopped = application(settings)
    async with stopped.router.lifespan_context(stopped):
        pass
    transport = httpx.ASGITransport(app=stopped)
    async with httpx.AsyncClient(transport=transport, base_url="http://tallygate.test") as client:
        answer = await client.post(
            "/graphql", json={"query": QUERY}, headers={"authorization": f"Bearer {owner.api_key}"}
        )
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["errors"][0]["extensions"]["code"] == "OVERLOADED"


# ---------------------------------------------------------------- roles


async def test_a_field_beyond_the_role_is_forbidden(owner: Caller, founder: Founder) -> None:
    """FORBIDDEN names the scope, changes nothing, and is audited by whoever may look."""
    clerk = await founder.colleague(owner, Role.INGEST)
    documents: list[tuple[str, dict[str, Any]]] = [
        ("{ customers { totalCount } }", {}),
        ('mutation { customerCreate(input: {name: "x"}) { customer { id } } }', {}),
    ]
    for document, variables in documents:
        answer = await clerk.post({"query": document, "variables": variables}, headers={"accept": NEWER})
        (error,) = answer.json()["errors"]
        assert error["extensions"]["code"] == "FORBIDDEN"
        assert "customer:" in error["message"]
    assert (await clerk.ask("{ viewer { role } }"))["data"] == {"viewer": {"role": "ingest"}}
    assert (await owner.data("{ customers { totalCount } }"))["customers"]["totalCount"] == 1
