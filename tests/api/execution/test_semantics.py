"""What the specification says of executing a query, on both roads: nulls, lists, fragments, directives, abstract types,
variables, errors. The cases are those of graphql-core's own suite that concern queries, told anew."""

import asyncio
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import pytest
import strawberry
from strawberry.schema.config import StrawberryConfig

from app.api.execution.cache import DocumentCacheExtension
from app.api.execution.executor import SettlingExecutor
from app.api.schema import TallygateSchema
from app.api.tenancy import Context, Info, Planning, Principal, Tenant, TenantExtension
from app.domain.role import Role
from tests.api.execution.brittle import Nowhere, later

HERE = "tests.api.execution.test_semantics"


@strawberry.enum
class Mood(Enum):
    """An enumeration whose values are not its names."""

    GLAD = "g"
    GRIM = 0


@strawberry.input
class Wish:
    """An input with a default in it."""

    what: str
    times: int = 2
    mood: Mood | None = None


@strawberry.interface
class Animal:
    """An interface."""

    name: str


@strawberry.type
class Dog(Animal):
    """One of its types."""

    barks: bool = True
    friend: Animal | None = None

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        return isinstance(value, Dog)


@strawberry.type
class Cat(Animal):
    """Another."""

    meows: bool = False

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        return isinstance(value, Cat)


@strawberry.type
class Nest:
    """What holds values that may be null, and values that may not."""

    value: int | None = None
    solid: int = 1
    values: list[int | None] | None = None
    solid_values: list[int] | None = None
    grid: list[list[int | None] | None] | None = None
    mood: Mood | None = None
    inner: "Nest | None" = None
    solid_inner: "Nest | None" = None
    nests: "list[Nest | None] | None" = None

    @strawberry.field
    async def later(self) -> int | None:
        return await later(self.value)

    @strawberry.field
    async def solid_later(self) -> int:
        return await later(self.value)

    @strawberry.field
    def sure(self) -> Annotated["Nest", strawberry.lazy(HERE)]:
        return self.inner

    @strawberry.field
    async def sure_later(self) -> Annotated["Nest", strawberry.lazy(HERE)]:
        return await later(self.inner)

    @strawberry.field
    def sure_nests(self) -> list[Annotated["Nest", strawberry.lazy(HERE)]]:
        return self.nests

    @strawberry.field
    def fails(self) -> int | None:
        raise ValueError("It fails.")

    @strawberry.field
    async def fails_later(self) -> int | None:
        await asyncio.sleep(0)
        raise ValueError("It fails later.")

    @strawberry.field
    def gives_exception(self) -> int | None:
        return ValueError("It is given.")


@strawberry.type
class Query:
    """Each field is one of the things that a case is about."""

    @strawberry.field
    def nest(self) -> Nest | None:
        return Nest(value=7, values=[1, None, 3], solid_values=[1, 2], grid=[[1, None], None, []], mood=Mood.GRIM)

    @strawberry.field
    def hollow(self) -> Nest | None:
        return Nest(solid=None, solid_values=[1, None], inner=Nest(solid=None), nests=[Nest(), Nest(solid=None), None])

    @strawberry.field
    async def hollow_later(self) -> Nest | None:
        return await later(Nest(solid=None, inner=Nest(value=5, inner=Nest())))

    @strawberry.field
    def never_hollow(self) -> Nest:
        return Nest(solid=None)

    @strawberry.field
    def animals(self) -> list[Animal]:
        return [Dog(name="Odie", friend=Cat(name="Garfield")), Cat(name="Garfield"), Dog(name="Snoopy")]

    @strawberry.field
    def pet(self) -> Annotated[Dog | Cat, strawberry.union("Pet")] | None:
        return Cat(name="Tom")

    @strawberry.field
    def stray(self) -> Animal | None:
        return Nest()

    @strawberry.field
    def echo(
        self,
        word: str | None = "default",
        number: int | None = strawberry.UNSET,
        mood: Mood = Mood.GLAD,
        numbers: list[int] | None = strawberry.UNSET,
        wish: Wish | None = strawberry.UNSET,
    ) -> str:
        return f"{word!r} {number!r} {mood.name} {numbers!r} {wish!r}"


tale = TallygateSchema(
    query=Query,
    types=[Dog, Cat],
    extensions=[TenantExtension, DocumentCacheExtension],
    execution_context_class=SettlingExecutor,
    config=StrawberryConfig(info_class=Info),
)


async def told(document: str, variables: dict[str, Any] | None, *, planner: bool) -> tuple[Any, Any, Planning | None]:
    """The data, the errors with their paths, and how it was answered."""
    home = UUID(int=1)
    tenant = Tenant(home, Principal("API_KEY", UUID(int=7), "planner", Role.OWNER, home))
    context = Context(
        request_id="req", database=Nowhere(), cursor_secret="", api_key_pepper="", given_tenant=tenant, planner=planner
    )
    result = await tale.execute(document, variable_values=variables, context_value=context)
    errors = [(error.message, error.path) for error in result.errors or ()]
    return result.data, errors, context.planning


NULL = "Cannot return null for non-nullable field Nest."

CASES: dict[str, tuple[str, dict[str, Any] | None, Any, Any]] = {
    # ------------------------------------------------------------ values and their order
    "plain": ("{ nest { value solid mood } }", None, {"nest": {"value": 7, "solid": 1, "mood": "GRIM"}}, []),
    "order": ("{ nest { solid later value } }", None, {"nest": {"solid": 1, "later": 7, "value": 7}}, []),
    "alias": ("{ a: nest { b: value c: value } }", None, {"a": {"b": 7, "c": 7}}, []),
    "swapped": ("{ nest { value: solid solid: value } }", None, {"nest": {"value": 1, "solid": 7}}, []),
    "merged": ("{ nest { value } nest { solid later } }", None, {"nest": {"value": 7, "solid": 1, "later": 7}}, []),
    "typename": ("{ __typename nest { t: __typename } }", None, {"__typename": "Query", "nest": {"t": "Nest"}}, []),
    "introspection": (
        '{ nest { value } __type(name: "Wish") { name } }',
        None,
        {"nest": {"value": 7}, "__type": {"name": "Wish"}},
        [],
    ),
    # ------------------------------------------------------------ lists
    "list": ("{ nest { values solidValues } }", None, {"nest": {"values": [1, None, 3], "solidValues": [1, 2]}}, []),
    "grid": ("{ nest { grid } }", None, {"nest": {"grid": [[1, None], None, []]}}, []),
    "null item": (
        "{ hollow { solidValues } }",
        None,
        {"hollow": {"solidValues": None}},
        [(f"{NULL}solidValues.", ["hollow", "solidValues", 1])],
    ),
    "null inside an item": (
        "{ hollow { nests { solid } } }",
        None,
        {"hollow": {"nests": [{"solid": 1}, None, None]}},
        [(f"{NULL}solid.", ["hollow", "nests", 1, "solid"])],
    ),
    "null inside a list that may hold none": (
        "{ hollow { sureNests { value } } }",
        None,
        {"hollow": None},
        [(f"{NULL}sureNests.", ["hollow", "sureNests", 2])],
    ),
    # ------------------------------------------------------------ null
    "null where one may be": ("{ hollow { value later } }", None, {"hollow": {"value": None, "later": None}}, []),
    "null to the parent": ("{ hollow { solid } }", None, {"hollow": None}, [(f"{NULL}solid.", ["hollow", "solid"])]),
    "null to the parent, later": (
        "{ hollowLater { solidLater } }",
        None,
        {"hollowLater": None},
        [(f"{NULL}solidLater.", ["hollowLater", "solidLater"])],
    ),
    "null to the nearest that may be": (
        "{ hollow { value inner { solid } } }",
        None,
        {"hollow": {"value": None, "inner": None}},
        [(f"{NULL}solid.", ["hollow", "inner", "solid"])],
    ),
    "null past what may not be": (
        "{ hollow { value sure { solid } } }",
        None,
        {"hollow": None},
        [(f"{NULL}solid.", ["hollow", "sure", "solid"])],
    ),
    "null past what may not be, later": (
        "{ hollowLater { sureLater { sureLater { sureLater { value } } } } nest { value } }",
        None,
        {"hollowLater": None, "nest": {"value": 7}},
        [(f"{NULL}sureLater.", ["hollowLater", "sureLater", "sureLater", "sureLater"])],
    ),
    "null of all": (
        "{ nest { value } neverHollow { solid } }",
        None,
        None,
        [(f"{NULL}solid.", ["neverHollow", "solid"])],
    ),
    # ------------------------------------------------------------ errors
    "error beside values": (
        "{ nest { value fails solid } }",
        None,
        {"nest": {"value": 7, "fails": None, "solid": 1}},
        [("It fails.", ["nest", "fails"])],
    ),
    "error, later": (
        "{ a: nest { f: failsLater } }",
        None,
        {"a": {"f": None}},
        [("It fails later.", ["a", "f"])],
    ),
    "exception that is given": (
        "{ nest { givesException } }",
        None,
        {"nest": {"givesException": None}},
        [("It is given.", ["nest", "givesException"])],
    ),
    "two errors": (
        "{ nest { fails givesException } }",
        None,
        {"nest": {"fails": None, "givesException": None}},
        [("It fails.", ["nest", "fails"]), ("It is given.", ["nest", "givesException"])],
    ),
    # ------------------------------------------------------------ fragments and abstract types
    "named fragment": (
        "{ nest { ...F solid ...F } } fragment F on Nest { value ...G } fragment G on Nest { later }",
        None,
        {"nest": {"value": 7, "later": 7, "solid": 1}},
        [],
    ),
    "fragments that overlap": (
        "{ hollow { inner { value } ...F } } fragment F on Nest { inner { later } }",
        None,
        {"hollow": {"inner": {"value": None, "later": None}}},
        [],
    ),
    "interface": (
        "{ animals { name __typename } }",
        None,
        {
            "animals": [
                {"name": "Odie", "__typename": "Dog"},
                {"name": "Garfield", "__typename": "Cat"},
                {"name": "Snoopy", "__typename": "Dog"},
            ]
        },
        [],
    ),
    "fragments by type": (
        "{ animals { ... on Dog { barks friend { name ... on Cat { meows } } } ... on Cat { meows } } }",
        None,
        {
            "animals": [
                {"barks": True, "friend": {"name": "Garfield", "meows": False}},
                {"meows": False},
                {"barks": True, "friend": None},
            ]
        },
        [],
    ),
    "fragment on an interface in a type": (
        "{ animals { ... on Dog { ...F } } } fragment F on Animal { name ... on Cat { meows } }",
        None,
        {"animals": [{"name": "Odie"}, {}, {"name": "Snoopy"}]},
        [],
    ),
    "union": ("{ pet { ... on Animal { name } ... on Dog { barks } } }", None, {"pet": {"name": "Tom"}}, []),
    "nothing of a union": ("{ pet { ... on Dog { barks } } }", None, {"pet": {}}, []),
    "value of no type": (
        "{ stray { name } }",
        None,
        {"stray": None},
        [
            (
                "Abstract type 'Animal' must resolve to an Object type at runtime for field 'Query.stray'. Either the"
                " 'Animal' type should provide a 'resolve_type' function or each possible type should provide an"
                " 'is_type_of' function.",
                ["stray"],
            )
        ],
    ),
    # ------------------------------------------------------------ directives
    **{
        f"{place} skip {skip} include {include}": (
            {
                "field": "query($s: Boolean!, $i: Boolean!) { nest { solid value @skip(if: $s) @include(if: $i) } }",
                "inline": (
                    "query($s: Boolean!, $i: Boolean!) { nest { solid ... @skip(if: $s) @include(if: $i) { value } } }"
                ),
                "spread": (
                    "query($s: Boolean!, $i: Boolean!) { nest { solid ...F @skip(if: $s) @include(if: $i) } }"
                    " fragment F on Nest { value }"
                ),
            }[place],
            {"s": skip, "i": include},
            {"nest": {"solid": 1, "value": 7} if include and not skip else {"solid": 1}},
            [],
        )
        for place in ("field", "inline", "spread")
        for skip in (True, False)
        for include in (True, False)
    },
    "skipped at the root": ("{ nest @skip(if: true) { fails } __typename }", None, {"__typename": "Query"}, []),
    "skipped once": ("{ nest { value @skip(if: true) value } }", None, {"nest": {"value": 7}}, []),
    "nothing is left": ("{ nest { value @include(if: false) } }", None, {"nest": {}}, []),
    "condition by default": (
        "query($c: Boolean = false) { nest { value @include(if: $c) solid } }",
        {},
        {"nest": {"solid": 1}},
        [],
    ),
    # ------------------------------------------------------------ arguments and variables
    "defaults": ("{ echo }", None, {"echo": "'default' UNSET GLAD UNSET UNSET"}, []),
    "null is not left out": (
        "{ echo(word: null, number: null) }",
        None,
        {"echo": "None None GLAD UNSET UNSET"},
        [],
    ),
    "variable left out": (
        "query($w: String, $n: Int) { echo(word: $w, number: $n) }",
        {},
        {"echo": "'default' UNSET GLAD UNSET UNSET"},
        [],
    ),
    "variable null": (
        "query($w: String, $n: Int) { echo(word: $w, number: $n) }",
        {"w": None, "n": None},
        {"echo": "None None GLAD UNSET UNSET"},
        [],
    ),
    "variable's default": (
        'query($w: String = "own", $m: Mood = GRIM) { echo(word: $w, mood: $m) }',
        {},
        {"echo": "'own' UNSET GRIM UNSET UNSET"},
        [],
    ),
    "variable over its default": (
        'query($w: String = "own") { echo(word: $w) }',
        {"w": "given"},
        {"echo": "'given' UNSET GLAD UNSET UNSET"},
        [],
    ),
    "one is a list": (
        "query($n: [Int!]) { echo(numbers: $n) }",
        {"n": 5},
        {"echo": "'default' UNSET GLAD [5] UNSET"},
        [],
    ),
    "variables inside": (
        "query($n: Int!, $w: String!) { echo(numbers: [1, $n], wish: {what: $w, mood: GRIM}) }",
        {"n": 2, "w": "x"},
        {"echo": "'default' UNSET GLAD [1, 2] Wish(what='x', times=2, mood=<Mood.GRIM: 0>)"},
        [],
    ),
    "the same field with other arguments": (
        'query($w: String) { a: echo(word: $w) b: echo(word: "b") c: echo(word: $w) }',
        {"w": "w"},
        {
            "a": "'w' UNSET GLAD UNSET UNSET",
            "b": "'b' UNSET GLAD UNSET UNSET",
            "c": "'w' UNSET GLAD UNSET UNSET",
        },
        [],
    ),
    "null for what may not be": (
        "query($n: Int!) { echo(number: $n) }",
        {"n": None},
        None,
        [("Variable '$n' has invalid value: Expected value of non-null type 'Int!' not to be None.", None)],
    ),
    "too large": (
        "query($n: Int) { echo(number: $n) }",
        {"n": 2**31},
        None,
        [
            (
                "Variable '$n' has invalid value: Int cannot represent non 32-bit signed integer value: 2147483648",
                None,
            )
        ],
    ),
}
PLANNED = {"introspection": Planning.DECLINED}
"""How the planner answers a case that is neither planned, nor repeated since it fails."""


@pytest.mark.parametrize("planner", [True, False], ids=["planned", "stock"])
@pytest.mark.parametrize("case", CASES)
async def test_a_query_is_executed_as_specified(case: str, planner: bool) -> None:
    """Each case, by its plan and by graphql-core alone."""
    document, variables, data, errors = CASES[case]
    found = await told(document, variables, planner=planner)
    assert found[:2] == (data, errors)
    if data is not None:
        assert list(found[0]) == list(data)
    if planner and (data is not None or errors[0][1] is not None):
        assert found[2] == PLANNED.get(case, Planning.REPEATED if errors else Planning.PLANNED)
