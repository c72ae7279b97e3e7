"""GraphiQL's page and assets as the server sends them; tests/browser/test_graphiql.py runs them in a browser."""

import json
import re

import httpx
import pytest
from graphql import OperationDefinitionNode, parse
from starlette.applications import Starlette

from app.api.graphiql import (
    CONTENT_SECURITY_POLICY,
    DemoKey,
    graphiql_examples,
    graphiql_page,
    graphiql_routes,
)

CONFIGURATION = re.compile(r'<script type="application/json" id="tallygate-config">(.*?)</script>', re.DOTALL)


def configuration_in(page: str) -> dict[str, object]:
    found = CONFIGURATION.search(page)
    assert found is not None
    return json.loads(found[1])


def asset_urls_in(page: str) -> list[str]:
    return re.findall(r'(?:src|href)="([^"]+)"', page)


@pytest.fixture
def client() -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=Starlette(routes=graphiql_routes()))
    return httpx.AsyncClient(transport=transport, base_url="http://graphiql.test")


class TestPage:
    def test_no_key_without_demo_keys(self) -> None:
        """Outside `tallygate dev` the page carries no key."""
        assert configuration_in(graphiql_page([]))["demoKeys"] == []

    def test_demo_keys(self) -> None:
        """The demo keys that it is given are offered by their organizations' names."""
        page = graphiql_page([DemoKey(organization_name="Wombat & Söhne", api_key="key-of-wombat")])
        offered = configuration_in(page)["demoKeys"]
        assert offered == [{"organizationName": "Wombat & Söhne", "apiKey": "key-of-wombat"}]

    def test_configuration_cannot_leave_its_element(self) -> None:
        """A name that closes the script element, or opens another, stays data."""
        name = "</script><script>alert(1)</script><!-- & \u2028 {configuration}"
        page = graphiql_page([DemoKey(organization_name=name, api_key="key-of-mallory")])
        assert configuration_in(page)["demoKeys"] == [{"organizationName": name, "apiKey": "key-of-mallory"}]
        assert page.count("</script>") == graphiql_page([]).count("</script>")
        assert "<!--" not in page

    def test_no_other_host(self) -> None:
        """The page names no other host: every URL in it is an asset of ours, under the URL of its present content."""
        page = graphiql_page([])
        assert "//" not in CONFIGURATION.sub("", page)
        urls = asset_urls_in(page)
        assert len(urls) == len(set(urls)) + 1, "the logo alone is asked for twice"
        for url in urls:
            assert re.fullmatch(r"/graphql/assets/[\w.-]+\?v=[0-9a-f]{16}", url), url

    def test_nothing_inline(self) -> None:
        """No inline script, style or event handler, because the policy would refuse it."""
        page = graphiql_page([])
        assert re.findall(r"<script(?![^>]*\b(?:src=|type=\"application/json\"))[^>]*>", page) == []
        assert re.search(r"<style|\sstyle=|\son\w+=|javascript:", CONFIGURATION.sub("", page)) is None


class TestContentSecurityPolicy:
    def test_policy(self) -> None:
        """Nothing is allowed but what GraphiQL needs, and that from ourselves alone."""
        directives = {part.partition(" ")[0]: part.partition(" ")[2] for part in CONTENT_SECURITY_POLICY.split("; ")}
        style = directives.pop("style-src")
        assert re.fullmatch(r"'self' 'sha256-[\w+/=]+'", style)
        assert directives == {
            "default-src": "'none'",
            "script-src": "'self'",
            "connect-src": "'self'",
            "img-src": "'self' data:",
            "font-src": "'self' data:",
            "frame-ancestors": "'none'",
            "base-uri": "'none'",
            "form-action": "'none'",
        }

    @pytest.mark.parametrize("word", ["unsafe-eval", "unsafe-inline", "worker-src", "http", "*"])
    def test_never(self, word: str) -> None:
        """The policy has no door that would let code in."""
        assert word not in CONTENT_SECURITY_POLICY


class TestExamples:
    def test_three_kinds_of_users(self) -> None:
        """There is a tab for dashboards, for partners and for explorers, and the page carries all of them."""
        examples = graphiql_examples()
        assert [example.name for example in examples] == ["dashboard", "partner", "explorer"]
        assert configuration_in(graphiql_page([]))["examples"] == [
            {"name": example.name, "query": example.query, "variables": example.variables} for example in examples
        ]

    def test_every_operation_is_named_and_commented(self) -> None:
        """Each operation has a name of its own, and a comment stands before it."""
        names: list[str] = []
        for example in graphiql_examples():
            lines = example.query.splitlines()
            for definition in parse(example.query).definitions:
                assert isinstance(definition, OperationDefinitionNode)
                assert definition.name is not None
                assert definition.loc is not None
                assert lines[definition.loc.start_token.line - 2].startswith("#"), definition.name.value
                names.append(definition.name.value)
        assert len(names) == len(set(names)) == 15

    def test_variables_are_those_of_the_operations(self) -> None:
        """The variables beside an example are the ones that its operations declare, no more and no fewer."""
        for example in graphiql_examples():
            declared = {
                variable.variable.name.value
                for definition in parse(example.query).definitions
                if isinstance(definition, OperationDefinitionNode)
                for variable in definition.variable_definitions or ()
            }
            assert set(json.loads(example.variables or "{}")) == declared, example.name

    def test_first_tab_needs_no_variables(self) -> None:
        """GraphiQL opens its first tab with empty variables, whatever stands beside it."""
        assert graphiql_examples()[0].variables is None


class TestAssets:
    @pytest.mark.parametrize(
        ("name", "media_type"),
        [
            ("graphiql.min.js",  "text/javascript; charset=utf-8"),
            ("graphiql.min.css", "text/css; charset=utf-8"),
            ("tallygate.js",     "text/javascript; charset=utf-8"),
            ("tallygate.svg",    "image/svg+xml"),
            ("LICENSES.txt",     "text/plain; charset=utf-8"),
        ],
    )  # fmt: skip
    async def test_media_type(self, client: httpx.AsyncClient, name: str, media_type: str) -> None:
        """Every asset says what it is, because browsers that may not guess refuse it otherwise."""
        answer = await client.get(f"/graphql/assets/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == media_type

    async def test_page_gets_all_it_asks_for_and_keeps_it(self, client: httpx.AsyncClient) -> None:
        """Each URL of the page answers, may be kept for a year, and is never asked for again within it."""
        for url in asset_urls_in(graphiql_page([])):
            answer = await client.get(url)
            assert answer.status_code == 200, url
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"

    @pytest.mark.parametrize("query", ["", "?v=", "?v=0123456789abcdef"])
    async def test_another_version_is_not_kept(self, client: httpx.AsyncClient, query: str) -> None:
        """What is asked for by no version or by another one is answered, but checked again each time."""
        answer = await client.get(f"/graphql/assets/tallygate.js{query}")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-cache"
        again = await client.get(
            f"/graphql/assets/tallygate.js{query}", headers={"If-None-Match": answer.headers["etag"]}
        )
        assert (again.status_code, again.content) == (304, b"")

    async def test_compression(self, client: httpx.AsyncClient) -> None:
        """Who understands gzip gets less than a third of the bytes, and the same content."""
        url = "/graphql/assets/graphiql.min.js"
        plain = await client.get(url, headers={"Accept-Encoding": "identity"})
        packed = await client.get(url, headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in plain.headers
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.headers["vary"] == "Accept-Encoding"
        assert int(packed.headers["content-length"]) * 3 < len(plain.content)
        assert packed.content == plain.content

    @pytest.mark.parametrize(
        "path",
        [
            "/graphql/assets/nowhere.js",
            "/graphql/assets/",
            "/graphql/assets/../page.html",
            "/graphql/assets/..%2fpage.html",
            "/graphql/assets/%2e%2e%2f__init__.py",
            "/graphql/assets/..%5cpage.html",
            "/graphql/assets/%2fetc%2fpasswd",
            "/graphql/assets/tallygate.js%00.css",
        ],
    )
    async def test_traversal(self, client: httpx.AsyncClient, path: str) -> None:
        """Only names of assets are served; no path leads out of their folder."""
        answer = await client.get(httpx.URL("http://graphiql.test").copy_with(raw_path=path.encode()))
        assert answer.status_code == 404

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
    async def test_reading_only(self, client: httpx.AsyncClient, method: str) -> None:
        """Assets are read and nothing else."""
        assert (await client.request(method, "/graphql/assets/tallygate.js")).status_code == 405
