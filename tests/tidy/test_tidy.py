"""The house is tidy: how long, how named, how described, what imports what, and where numbers and SQL come from."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_schema,
    is_specified_scalar_type,
)

from app.api.ids import PREFIX_OF

PROJECT = Path(__file__).parents[2]
APP = PROJECT / "app"
SOURCES = {str(path.relative_to(PROJECT)): path for path in sorted(APP.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text()) for name, path in SOURCES.items()}

FILE_LINES_MAX = 325
FUNCTION_LINES_MAX = 60

LONGER: dict[str, int] = {}

FORBIDDEN_NAMES = {"base", "common", "helper", "helpers", "manager", "misc", "service", "util", "utils"}

ROOMS = [
    "api",
    "archive",
    "api/execution",
    "cli",
    "domain",
    "jobs",
    "operations",
    "store",
    "store/embedded",
    "store/queue",
    "web",
]
"""The packages whose docstrings say what they own."""

FLOATS_ALLOWED = {
    # Seconds to wait for a server to start; nothing that is billed.
    "app/store/embedded/folder.py",
    # An event's properties are kept as they came; a quantity that comes as a float is refused.
    "app/domain/written.py",
}

DATABASE_LIBRARIES = {"alembic", "asyncpg", "psycopg", "sqlalchemy", "sqlmodel"}

POOL_HOLDERS = {
    # The wall, the other door, and those that make a pool to hand it to them.
    "app/bootstrap.py",
    "app/dev.py",
    "app/main.py",
    "app/store/connection.py",
    # The queue belongs to no one tenant; the worker's login alone may reach it.
    "app/store/queue/dead_letter.py",
    "app/store/queue/consumer.py",
    "app/store/queue/depth.py",
    # Sums over tenants, as a login that may see no row.
    "app/store/operator.py",
    "app/store/system.py",
    "app/store/tenancy.py",
    # They ask it how many of its connections are in use.
    "app/metrics.py",
    "app/watch.py",
    "app/worker.py",
}

SQL_MADE_OF_PARTS = {
    # The same reading of a statement, for some customers and for all.
    "app/store/balance.py",
    # Names that cannot be parameters, all of them constants of the program.
    "app/store/archive.py",
    "app/store/connection.py",
    "app/store/conservation.py",
    "app/store/inbox.py",
    "app/store/installation.py",
    "app/store/quantity.py",
    "app/store/roles.py",
    "app/store/row_security.py",
    "app/store/system.py",
    "app/store/transaction.py",
    "app/store/usage.py",
    "app/store/usage_hour.py",
}

SQL = re.compile(
    r"\s*(select|insert into|update|delete from|create|alter|drop|grant|revoke|begin|commit|rollback|savepoint|release"
    r"|set|with|truncate|lock|copy|call|values)\b",
    re.IGNORECASE,
)


def trees(*rooms: str) -> Iterator[tuple[str, ast.Module]]:
    """The program's files, or those of some rooms."""
    for name, tree in TREES.items():
        if not rooms or any(name.startswith(f"app/{room}/") for room in rooms):
            yield name, tree


def functions_in(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def imports_in(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Each import as (module, name); the name is empty where a whole module is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def test_files_are_read_in_a_sitting() -> None:
    """At most about 320 lines, but for those that are said to be longer; and those are."""
    lines = {name: len(path.read_text().splitlines()) for name, path in SOURCES.items()}
    assert {name: count for name, count in lines.items() if count > LONGER.get(name, FILE_LINES_MAX)} == {}
    assert [name for name in LONGER if lines[name] <= FILE_LINES_MAX] == []


def test_functions_fit_a_screen() -> None:
    """At most 60 lines, docstring and all."""
    lengths = {
        f"{name}: {function.name}": (function.end_lineno or 0) - function.lineno + 1
        for name, tree in trees()
        for function in functions_in(tree)
    }
    assert {name: length for name, length in lengths.items() if length > FUNCTION_LINES_MAX} == {}


def test_modules_are_named_for_what_is_in_them() -> None:
    """None is called what anything could be called."""
    assert [name for name, path in SOURCES.items() if {path.stem, path.parent.name} & FORBIDDEN_NAMES] == []


def test_all_that_is_public_says_what_it_is() -> None:
    """Every module, every public class, and every public function and method has a docstring."""
    silent = []
    for name, tree in trees():
        if not ast.get_docstring(tree):
            silent.append(name)
        silent += [f"{name}: {node.name}" for node in public_in(tree) if not ast.get_docstring(node)]
    assert silent == []


def public_in(tree: ast.Module | ast.ClassDef) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Public classes and functions, and the public methods of those classes."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            overload = any(isinstance(each, ast.Name) and each.id == "overload" for each in node.decorator_list)
            if not overload:
                yield node
            if isinstance(node, ast.ClassDef):
                yield from public_in(node)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_owns(room: str) -> None:
    """Owns, Never, Begin at: and where one begins, there is something."""
    text = ast.get_docstring(TREES[f"app/{room}/__init__.py"]) or ""
    for word in ("Owns: ", "Never: ", "Begin at: "):
        assert f"\n{word}" in text
    for file in re.findall(r"`([\w/]+\.py)`", text.partition("Begin at: ")[2]):
        assert (APP / room / file).is_file(), file


def test_no_room_is_forgotten() -> None:
    """Every package that has more than one noun's files says what it owns or stands in one that does."""
    packages = {str(path.parent.relative_to(APP)) for path in SOURCES.values() if path.name == "__init__.py"}
    assert {package for package in packages if "/" not in package and package != "."} - set(ROOMS) <= {"demo"}


def test_an_operation_is_one_coroutine() -> None:
    """One verb, one file, one public coroutine; what else is public there is what it takes and gives."""
    for name, tree in trees("operations"):
        if name.endswith("/__init__.py"):
            assert len(tree.body) == 1, name
            continue
        public = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        public = [node for node in public if not node.name.startswith("_")]
        assert [type(node) for node in public] == [ast.AsyncFunctionDef], name
        assert name.count("/") == 3, name


def test_billing_knows_no_float() -> None:
    """No float literal, no call of float(), not even its name, in the domain, the operations and the store (D5)."""
    found = [
        f"{name}:{node.lineno}"
        for name, tree in trees("domain", "operations", "store")
        for node in ast.walk(tree)
        if (isinstance(node, ast.Constant) and isinstance(node.value, float | complex))
        or (isinstance(node, ast.Name) and node.id == "float")
    ]
    assert {place for place in found if place.partition(":")[0] not in FLOATS_ALLOWED} == set()
    assert {place.partition(":")[0] for place in found} == FLOATS_ALLOWED


def test_only_the_store_knows_the_database() -> None:
    """Nothing else imports a database's library, at any depth of the file."""
    found = {
        f"{name}: {module}"
        for name, tree in trees()
        for module, _ in imports_in(tree)
        if module.partition(".")[0] in DATABASE_LIBRARIES and not name.startswith("app/store/")
    }
    assert found == set()


def test_only_the_wall_holds_the_pool() -> None:
    """Who has the pool could open a transaction past the wall."""
    found = {
        name
        for name, tree in trees()
        for node in ast.walk(tree)
        if (
            isinstance(node, ast.Name | ast.ClassDef)
            and "ConnectionPool" in (getattr(node, "id", ""), getattr(node, "name", ""))
        )
        or (isinstance(node, ast.Attribute) and node.attr in ("ConnectionPool", "create_pool"))
        or (isinstance(node, ast.alias) and node.name == "ConnectionPool")
    }
    assert found == POOL_HOLDERS


def test_few_files_talk_to_a_server_themselves() -> None:
    """The pool, the listener, migrations, the queue, and what prepares a server before the wall; nobody else."""
    found = {
        name
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in (("asyncpg", "connect"), ("asyncpg", "create_pool"))
    }
    assert found == {
        "app/store/connection.py",
        "app/store/installation.py",
        "app/store/notification.py",
        "app/store/queue/consumer.py",
    }
    engines = {name for name, tree in trees() for _, what in imports_in(tree) if "create_" in what and "engine" in what}
    assert engines == {"app/store/migration.py"}


def test_sql_is_made_of_parts_in_few_places() -> None:
    """An f-string, a `format` or a sum that makes SQL: only where names cannot be parameters."""
    found = {name for name, tree in trees() for node in ast.walk(tree) if SQL.match(text_of_parts(node))}
    assert {name for name in found if not name.startswith("app/store/")} == set()
    assert found == SQL_MADE_OF_PARTS


def text_of_parts(node: ast.AST) -> str:
    """The beginning of a text that is put together; empty where it is not."""
    match node:
        case ast.JoinedStr(values=[ast.Constant(value=str() as start), *_]):
            return start
        case ast.JoinedStr():
            return ""
        case ast.BinOp(left=ast.Constant(value=str() as start), op=ast.Add() | ast.Mod()):
            return start
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str() as start), attr="format")):
            return start
        case _:
            return ""


def repository_files() -> Iterator[Path]:
    """What is, or could be, in the repository: all that Git knows or does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("this is no Git checkout")
    yield from (PROJECT / name for name in listed.stdout.splitlines() if (PROJECT / name).is_file())


# Put together, so that this file does not hold what it looks for.
PLACES = [
    "/" + "work" + "/",
    ".." + "/shared",
    *(
        ".".join(parts)
        for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("registry", "yarnpkg", "com"))
    ),
    *(".".join(parts) for parts in (("crates", "io"), ("rubygems", "org"), ("jfrog", "io"), ("docker", "io"))),
]


def test_nothing_names_the_place_that_it_was_made_in() -> None:
    """No registry's host and no path of a maker's machine; only the landing script may know where the contract is."""
    found = []
    for path in repository_files():
        if path == PROJECT / ".ci" / "run":
            continue
        content = path.read_bytes()
        found += [f"{path.relative_to(PROJECT)}: {place}" for place in PLACES if place.encode() in content]
    assert found == []


def test_what_audit_records_name_has_an_id_at_the_edge() -> None:
    """The noun of each record that is acted on, `of` or the action's own, has its prefix in `app/api/ids.py`."""
    recorded = {}
    for name, tree in trees("operations", "store"):
        for call in ast.walk(tree):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
                continue
            if call.func.id not in ("record", "record_all") or not isinstance(call.args[1], ast.Constant):
                continue
            about_nothing = isinstance(call.args[2], ast.Constant)
            of = [keyword.value.value for keyword in call.keywords if keyword.arg == "of"]
            noun = of[0] if of else str(call.args[1].value).partition(".")[0]
            if not about_nothing:
                recorded[f"{name}:{call.lineno}"] = noun
    assert len(recorded) > 20
    assert {place: noun for place, noun in recorded.items() if noun not in PREFIX_OF} == {}


SCHEMA = build_schema((PROJECT / "schema.graphql").read_text())
TYPES = {
    name: type_
    for name, type_ in SCHEMA.type_map.items()
    if not name.startswith("__") and not is_specified_scalar_type(type_)
}
WITH_FIELDS = {
    name: type_
    for name, type_ in TYPES.items()
    if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType)
}


def test_the_schema_names_its_root_types() -> None:
    """Else tools take the type Subscription for what clients subscribe to, because of its name."""
    assert (str(SCHEMA.query_type), str(SCHEMA.mutation_type)) == ("Query", "Mutation")
    assert str(SCHEMA.subscription_type) != "Subscription"


def test_the_schema_describes_itself() -> None:
    """Every type, field, argument, input field and enumeration says what it is, for GraphiQL to show."""
    silent = [name for name, type_ in TYPES.items() if not type_.description]
    for name, type_ in WITH_FIELDS.items():
        for field_name, field in type_.fields.items():
            if not field.description:
                silent.append(f"{name}.{field_name}")
            arguments = getattr(field, "args", {})
            silent += [f"{name}.{field_name}({key})" for key, arg in arguments.items() if not arg.description]
    assert silent == []
    assert any(isinstance(type_, GraphQLEnumType) for type_ in TYPES.values())


def test_the_schema_keeps_to_its_words() -> None:
    """A tenant is an organization to clients; nothing of theirs is called otherwise."""
    words = list(TYPES)
    for name, type_ in WITH_FIELDS.items():
        for field_name, field in type_.fields.items():
            words += [f"{name}.{field_name}", *(f"{name}.{field_name}({key})" for key in getattr(field, "args", {}))]
    assert [word for word in words if "tenant" in word.lower()] == []
