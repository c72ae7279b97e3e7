"""GraphiQL at the GraphQL endpoint, served whole from this package.

Owns: the page, its content security policy, the routes of its assets, and the worked examples that it opens on.
Never: asks another host for anything, holds an API key outside `tallygate dev`, decides who may see the page.
Begin at: `graphiql_page`. The files in `assets/` that are not `tallygate.*` are written by `bin/vendor-graphiql`.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

from app.api.graphiql.asset import ASSETS_PATH, graphiql_routes, load_assets

__all__ = ["CONTENT_SECURITY_POLICY", "DemoKey", "Example", "graphiql_examples", "graphiql_page", "graphiql_routes"]

# GraphiQL needs neither eval nor workers. The one style element that it makes stops the page from scrolling behind a
# menu; its text is always the same here, so its hash stands in the policy, and no other inline style is let in.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'sha256-Y/huXlwoYkVyQlxwSVcCi1RCDGDCSVBzDt0hYP9qlTc='",
        "connect-src 'self'",
        "img-src 'self' data:",
        "font-src 'self' data:",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
)

EXAMPLE_NAMES = ("dashboard", "partner", "explorer")


@dataclass(frozen=True, slots=True)
class DemoKey:
    """The key of an organization that `tallygate dev` made, for the page to offer by the organization's name."""

    organization_name: str
    api_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Example:
    """One tab of worked operations, with the variables (a JSON object, or nothing) that all of them share.

    A variable `planId` that is empty is filled in by the page with the `id` of the newest `plan` in an answer of the
    same tab, and so for every noun.
    """

    name: str
    query: str
    variables: str | None


def graphiql_page(keys: Sequence[DemoKey]) -> str:
    """The HTML of GraphiQL, to be served with `CONTENT_SECURITY_POLICY` and never stored by caches.

    `keys` are embedded in it and offered to whoever sees the page: outside `tallygate dev` they are empty, and the page
    asks for a key, which it keeps in the browser's session.
    """
    configuration = {
        "demoKeys": [{"organizationName": key.organization_name, "apiKey": key.api_key} for key in keys],
        "examples": [asdict(example) for example in graphiql_examples()],
    }
    return page_template().replace("{configuration}", json_for_html(configuration))


@cache
def graphiql_examples() -> tuple[Example, ...]:
    """The tabs that GraphiQL opens on, in order."""
    return tuple(example_from_files(name) for name in EXAMPLE_NAMES)


def example_from_files(name: str) -> Example:
    """The example of this name, out of `examples/`."""
    folder = Path(__file__).with_name("examples")
    variables = folder / f"{name}.variables.json"
    return Example(
        name=name,
        query=(folder / f"{name}.graphql").read_text(encoding="utf-8"),
        variables=variables.read_text(encoding="utf-8").strip() if variables.exists() else None,
    )


@cache
def page_template() -> str:
    """`page.html` with every asset asked for by the URL of its present content."""
    page = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    return re.sub(rf"{ASSETS_PATH}/([\w.-]+)", lambda found: load_assets()[found[1]].url, page)


def json_for_html(value: object) -> str:
    """JSON that cannot end the script element around it, nor open a comment or another element in it."""
    text = json.dumps(value)
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")
