"""The documentation says what is there: links lead somewhere, names exist, GraphQL is valid."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import GraphQLSchema, OperationDefinitionNode, build_schema, parse, validate
from pydantic_core import PydanticUndefined

from app.api.errors import ErrorCode
from app.api.queries.node import NODES
from app.cli import app as commands
from app.domain.errors import RefusalCode
from app.domain.role import Role
from app.settings import Settings, WorkerSettings

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs"
PAGES = sorted([*PROJECT.glob("*.md"), *DOCS.rglob("*.md")])
NAMES = [str(page.relative_to(PROJECT)) for page in PAGES]

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?)$", re.MULTILINE)
FILE = re.compile(r"\b(?:app|bin|docs|migrations|tests)/[\w./-]*\w")


def prose(page: Path) -> str:
    """What a page says outside of its code blocks."""
    return FENCE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(prose(page)))
    return {text.strip().replace(" ", "-") for text in kept}


def graphql_blocks() -> Iterator[tuple[str, str]]:
    """Each GraphQL block of the documentation with a name for it."""
    for page, name in zip(PAGES, NAMES, strict=True):
        blocks = [text for language, text in FENCE.findall(page.read_text()) if language == "graphql"]
        yield from ((f"{name}, block {number}", text) for number, text in enumerate(blocks, start=1))


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((PROJECT / "schema.graphql").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    """A relative link is a file of this repository, and its anchor a heading there."""
    page = PROJECT / name
    for link in LINK.findall(prose(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name} links to {link}"
        assert target.is_relative_to(PROJECT), f"{name} links out of the repository: {link}"
        if anchor:
            assert anchor in anchors(target), f"{name} links to {link}"


@pytest.mark.parametrize("page", [page for page in PAGES if page.is_relative_to(DOCS)], ids=str)
def test_every_page_is_in_an_index(page: Path) -> None:
    """A page that nothing links to is not found."""
    index = DOCS / "README.md" if page.name == "README.md" else page.parent / "README.md"
    if page == DOCS / "README.md":
        index = PROJECT / "README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in LINK.findall(prose(index))}
    assert page in linked


@pytest.mark.parametrize("name", ["docs/invariants.md", "docs/journey.md", "README.md"])
def test_files_exist(name: str) -> None:
    """What these pages call by its path is there."""
    missing = [path for path in FILE.findall(prose(PROJECT / name)) if not (PROJECT / path).exists()]
    assert missing == []


def test_invariants_are_numbered() -> None:
    """Each once, in order, and without gaps within a section; sections may leave room for others to grow."""
    sections = (DOCS / "invariants.md").read_text().split("\n## ")
    found = [[int(number) for number in re.findall(r"^\| I(\d+) \|", text, re.MULTILINE)] for text in sections]
    numbers = [number for section in found for number in section]
    assert numbers == sorted(set(numbers))
    for section in filter(None, found):
        assert section == list(range(section[0], section[-1] + 1))


FIELDS = Settings.model_fields | WorkerSettings.model_fields


@pytest.mark.parametrize("name", list(FIELDS))
def test_settings_are_described(name: str) -> None:
    """With the variable and the default that they have."""
    rows = re.findall(rf"^\| `{name}` \|(.*)\|(.*)\|.*\|$", (DOCS / "configuration.md").read_text(), re.MULTILINE)
    assert len(rows) == 1
    variable, default = rows[0]
    assert f"`TALLYGATE_{name.upper()}`" in variable
    known = FIELDS[name].default
    shown = "required" if known is PydanticUndefined else f"{known:g}" if isinstance(known, float) else str(known)
    assert (shown.lower() if isinstance(known, bool) else shown) in default


COMMANDS = [
    *(command.callback.__name__ for command in commands.registered_commands),
    *(
        f"{group.typer_instance.info.name} {command.name or command.callback.__name__}"
        for group in commands.registered_groups
        for command in group.typer_instance.registered_commands
    ),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_in_the_readme(command: str) -> None:
    """Whoever installs it learns what it can do."""
    assert f"`tallygate {command}`" in (PROJECT / "README.md").read_text()


@pytest.mark.parametrize("code", [*ErrorCode, *RefusalCode])
def test_codes_are_explained(code: str) -> None:
    """A partner's program meets no code that its page does not name."""
    assert f"`{code}`" in (DOCS / "partner.md").read_text()


@pytest.mark.parametrize("word", [*(f"{prefix}_" for prefix in NODES), *Role])
def test_prefixes_and_roles_are_explained(word: str) -> None:
    """Whoever explores can read an id, and a role's name."""
    assert f"`{word}`" in (DOCS / "explorer.md").read_text()


@pytest.mark.parametrize(("name", "text"), list(graphql_blocks()))
def test_graphql_is_valid(schema: GraphQLSchema, name: str, text: str) -> None:
    """Every operation on these pages can be run as it stands."""
    document = parse(text)
    assert any(isinstance(part, OperationDefinitionNode) for part in document.definitions), name
    assert validate(schema, document) == [], name
