"""tallygate isolation report: what the isolation proof tries, field by field, for everybody's eyes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from app.cli.terminal import fail, with_sentences

if TYPE_CHECKING:
    from types import ModuleType

    from app.domain.role import Role

isolation = typer.Typer(name="isolation", help="Look at the proof that tenants are apart.", no_args_is_help=True)

NOTHING = "NOTHING"

LEGEND = """
own: what the caller's organization has, and nothing of another's. denied: FORBIDDEN, whoever owns what is named.
parent: whoever reached the parent, which is the organization's own.

Each place in which a record is named is given another organization's id, key or number, and one that nobody has: the
answers are the same, byte for byte. So are those to a foreign cursor and to a random one.

W  tests/tenancy/test_walk.py, as another organization's owner: foreign, unknown, malformed, everything at once
R  tests/tenancy/test_roles.py, as every role of another organization
C  tests/tenancy/test_walk.py, TestCursors: foreign, forged, and of another list, filter or order
B  tests/tenancy/test_walk.py, TestWithoutRowSecurity: the same without row security, by the statements' own filters
"""


@isolation.callback()
def group() -> None:
    """Look at the proof that tenants are apart."""


@isolation.command("report")
def report() -> None:
    """Print each field of the schema, who may call it, and where and how another organization tries it.

    It reads the tables of the walk (tests/tenancy/test_walk.py), so that it needs a checkout. Exit code 1 where a field
    is not walked.
    """

    def run() -> None:
        walk = _walk()
        rows = [_row(name, walk) for name in _fields(walk)]
        _print(rows)
        missing = [row[0] for row in rows if row[-1] == NOTHING]
        if missing:
            fail(f"{len(missing)} fields are not walked: {', '.join(missing)}.")

    with_sentences(run)


def _walk() -> "ModuleType":
    try:
        from tests.tenancy import test_walk  # noqa: PLC0415 - the proof is no part of what is installed
    except ImportError:
        fail("The proof is in tests/, which is not installed: run this in a checkout, after bin/setup dev.")
    return test_walk


def _fields(walk: "ModuleType") -> list[str]:
    """Every root field, every field with references or cursors, and whatever else the walk's tables name."""
    named = {name for name, _ in walk.fields_with_arguments() if name.partition(".")[0] in walk.ROOTS}
    return sorted(named | {place.field for place in walk.PLACES} | set(walk.LISTS) | set(walk.FIELDS))


def _row(name: str, walk: "ModuleType") -> list[str]:
    from app.domain.role import Role  # noqa: PLC0415

    scope = _scope_of(name)
    places = [".".join(map(str, place.path)) for place in walk.PLACES if place.field == name]
    is_list = name in walk.LISTS
    return [
        name,
        scope or "-",
        *(_cell(role, scope) for role in Role),
        ", ".join(places) or "-",
        "after, before" if is_list else "-",
        _proof(name, walk, is_list=is_list),
    ]


def _cell(role: "Role", scope: str | None) -> str:
    """What the role sees: of its own organization what the field gives, or a denial; of another, nothing."""
    from app.domain.role import SCOPES_OF  # noqa: PLC0415

    if scope is None:
        return "parent"
    return "own" if scope in SCOPES_OF[role] else "denied"


def _scope_of(name: str) -> str | None:
    """The scope of a root field; None for one below it, which whoever reached its parent may call."""
    from app.api.permission import Reads, Writes  # noqa: PLC0415
    from app.api.schema import schema  # noqa: PLC0415

    type_name, _, field_name = name.partition(".")
    definition = schema._schema.type_map[type_name].fields[field_name]  # noqa: SLF001 # ty: ignore
    extensions = definition.extensions["strawberry-definition"].extensions
    return next((each.scope for each in extensions if isinstance(each, Reads | Writes)), None)


def _proof(name: str, walk: "ModuleType", *, is_list: bool) -> str:
    """Which tests try it, as the legend says; NOTHING where the walk does not know how to call it."""
    if not walk.FIELDS.get(name):
        return NOTHING
    return "W R B" + (" C" if is_list else "")


def _print(rows: Sequence[Sequence[str]]) -> None:
    from app.domain.role import Role  # noqa: PLC0415

    heading = ["field", "scope", *Role, "names records in", "cursors", "tried by"]
    for line in (heading, ["---"] * len(heading), *rows):
        print(f"| {' | '.join(line)} |")
    print(LEGEND)
    references = sum(len(row[-3].split(", ")) for row in rows if row[-3] != "-")
    walked = sum(row[-1] != NOTHING for row in rows)
    print(f"{walked} of {len(rows)} fields are walked, in {references} places, by {len(Role)} roles.")
