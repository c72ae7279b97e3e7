"""GraphiQL as a developer meets it: a key, an example, an answer, and not one request to another host."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

import pytest_asyncio
from playwright.async_api import Browser, Page, expect


class LiveServer(Protocol):
    """A running Tallygate with one organization and a key to it."""

    url: str
    api_key: str
    organization_name: str


@dataclass
class Visit:
    """A page, with all that it asked for and all that it complained about."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    async def open(self, server: LiveServer) -> None:
        await self.page.goto(f"{server.url.rstrip('/')}/graphql")
        await expect(self.page.get_by_role("tab")).to_have_count(3)

    async def connect(self, api_key: str) -> None:
        """Hand over a key as a visitor does, whether or not the page offers demo keys."""
        demo_key = self.page.get_by_label("Demo key")
        if await demo_key.is_visible():
            await demo_key.select_option(label="Another key…")
        await self.page.get_by_label("API key").fill(api_key)
        await self.page.get_by_role("button", name="Connect").click()

    async def answer(self) -> str:
        return await self.page.evaluate(
            "document.querySelector('.graphiql-response .CodeMirror').CodeMirror.getValue()"
        )


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    made = Visit(await context.new_page())
    context.on("request", lambda request: made.requests.append(request.url))
    made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
    made.page.on("console", lambda message: made.complaints.append(message.text) if message.type == "error" else None)
    yield made
    await context.close()


async def test_first_example_runs(visit: Visit, live_server: LiveServer) -> None:
    """With a key, the first example answers with the organization's data, and every request stays on our host."""
    await visit.open(live_server)
    await visit.connect(live_server.api_key)
    organization = visit.page.get_by_label("Organization", exact=True)
    await expect(organization.locator("option:checked")).to_have_text(live_server.organization_name)

    await visit.page.get_by_role("button", name="Execute query (Ctrl-Enter)").click()
    await expect(visit.page.locator(".graphiql-response")).to_contain_text('"data"')
    answer = json.loads(await visit.answer())
    assert "errors" not in answer
    assert answer["data"]["organization"]["legalName"] == live_server.organization_name

    foreign = [url for url in visit.requests if urlsplit(url).netloc not in ("", urlsplit(live_server.url).netloc)]
    assert foreign == []
    assert visit.complaints == []


async def test_menus_and_panels_keep_the_policy(visit: Visit, live_server: LiveServer) -> None:
    """Every panel, menu and dialog opens without breaking the content security policy."""
    await visit.open(live_server)
    await visit.connect(live_server.api_key)
    page = visit.page
    await page.get_by_role("button", name="Show Documentation Explorer").click()
    await expect(page.locator(".graphiql-plugin")).to_contain_text("Root Types")
    await page.get_by_role("button", name="Show History").click()
    await page.get_by_role("button", name="Show GraphiQL Explorer").click()
    await expect(page.locator(".graphiql-plugin")).to_contain_text("subscriptions")

    await page.get_by_role("tab", name="PartnerMeterCreate").click()
    # GraphiQL parses a tenth of a second after a change; a button pressed before has no menu yet.
    await page.wait_for_function(
        "document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror.operations?.length === 8"
    )
    await page.get_by_role("button", name="Execute query (Ctrl-Enter)").click()
    await expect(page.get_by_role("menuitem")).to_have_count(8)
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Open settings dialog").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    # The explorer plugin also notes there each list argument, which it shows and cannot edit.
    assert [complaint for complaint in visit.complaints if "Content Security Policy" in complaint] == []


async def test_key_is_kept_in_the_session_alone(visit: Visit, live_server: LiveServer) -> None:
    """The key outlives a reload, but is never in localStorage, whatever is typed under Headers, nor in a URL."""
    await visit.open(live_server)
    await visit.connect(live_server.api_key)
    await visit.page.get_by_role("button", name="Headers").click()
    await visit.page.evaluate(
        "key => document.querySelectorAll('.graphiql-editor-tool .CodeMirror')[1].CodeMirror"
        ".setValue(JSON.stringify({ Authorization: `Bearer ${key}` }))",
        live_server.api_key,
    )
    await visit.page.get_by_role("button", name="Execute query (Ctrl-Enter)").click()
    await expect(visit.page.locator(".graphiql-response")).to_contain_text('"data"')
    await visit.page.wait_for_timeout(700)  # GraphiQL stores half a second after a change.
    stored = await visit.page.evaluate("JSON.stringify(localStorage)")
    assert "graphiql:queries" in stored
    assert live_server.api_key not in stored

    await visit.page.reload()
    await expect(visit.page.get_by_role("status")).to_have_attribute("data-state", "ready")
    assert [url for url in visit.requests if live_server.api_key in url] == []


async def test_without_a_key(visit: Visit, live_server: LiveServer) -> None:
    """Without a key nothing is asked of the API, and the page says what it needs."""
    await visit.open(live_server)
    demo_key = visit.page.get_by_label("Demo key")
    if await demo_key.is_visible():
        await demo_key.select_option(label="Another key…")
    visit.requests.clear()
    await expect(visit.page.get_by_role("alert")).to_contain_text("An API key is needed")
    await visit.page.get_by_role("button", name="Execute query (Ctrl-Enter)").click()
    await expect(visit.page.locator(".graphiql-response")).to_contain_text("An API key is needed")
    await expect(visit.page.get_by_label("API key")).to_be_focused()
    assert visit.requests == []


async def test_refused_key(visit: Visit, live_server: LiveServer) -> None:
    """A key that is not accepted gives a hint that a person can follow."""
    await visit.open(live_server)
    await visit.connect("no-such-key")
    await expect(visit.page.get_by_role("alert")).to_contain_text("This API key is not accepted")
    await expect(visit.page.get_by_role("status")).to_have_text("Key refused")


async def test_keyboard(visit: Visit, live_server: LiveServer) -> None:
    """The keyboard reaches the editor, runs its operation, and is let out again by Escape and Tab."""
    await visit.open(live_server)
    await visit.connect(live_server.api_key)
    await expect(visit.page.get_by_role("status")).to_have_attribute("data-state", "ready")
    editor = visit.page.get_by_role("region", name="Query Editor").locator("textarea")
    await editor.focus()
    await visit.page.keyboard.press("Control+Enter")
    await expect(visit.page.locator(".graphiql-response")).to_contain_text('"data"')
    await visit.page.keyboard.press("Escape")
    await visit.page.keyboard.press("Tab")
    await expect(editor).not_to_be_focused()
