"""A schema with every construct, whose resolvers break now and then: in each way in which one can."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import NoneType
from typing import Annotated, Any, NewType, get_args
from uuid import UUID
from zlib import crc32

import strawberry
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig

from app.api.execution.cache import DocumentCacheExtension
from app.api.execution.executor import SettlingExecutor
from app.api.loaders.loader import TenantLoader, loaded
from app.api.schema import TallygateSchema
from app.api.tenancy import Context, Info, Principal, Tenant, TenantExtension
from app.domain.role import Role

HERE = "tests.api.execution.brittle"


@strawberry.enum
class Colour(Enum):
    """An enumeration."""

    RED = "red"
    BLUE = "blue"


Text = NewType("Text", str)
Odd = NewType("Odd", str)


def shown_odd(value: Any) -> Any:
    """Refuses some values, and makes nothing of others."""
    match value:
        case "refused":
            raise ValueError("It cannot be shown.")
        case "nothing":
            return None
    return f"odd {value}"


@strawberry.input
class Shape:
    """An input."""

    size: int
    colour: Colour | None = None
    names: list[str] | None = None


class Row:
    """A parent: each of its attributes is what the world holds at its path."""

    def __init__(self, world: "World", path: str) -> None:
        self.world, self.path = world, path

    def __getattr__(self, name: str) -> Any:
        if name in KINDS or name == "key":
            return self.world.at(self.path, name)
        raise AttributeError(name)


class ThingRow(Row):
    """A thing's."""


class OtherRow(Row):
    """Another's."""


@dataclass(frozen=True)
class Raises:
    """Where it stands, an exception is raised."""

    message: str


class World:
    """What there is at each path: mostly what the schema says, sometimes not; the same whoever looks, and when."""

    def __init__(self, seed: int, broken: int) -> None:
        """`broken` of a hundred values are not what the schema says."""
        self.seed, self.broken = seed, broken

    def draw(self, *parts: Any) -> int:
        """A number for a place."""
        return crc32(repr((self.seed, *parts)).encode()) >> 3

    def at(self, path: str, name: str) -> Any:
        """The value of an attribute."""
        if name == "key":
            return None if self.draw(path, "key") % 9 == 0 else path
        return self.value(KINDS[name], f"{path}.{name}")

    def value(self, kind: Any, path: str) -> Any:
        """A value of a type, or what is none."""
        draw = self.draw(path)
        if draw % 100 < self.broken:
            return self.made(WRONG[draw % len(WRONG)], path)
        members = [each for each in get_args(kind) if each is not NoneType]
        if NoneType in get_args(kind):
            return None if draw % 7 == 0 else self.value(members[0], path + "?")
        if getattr(kind, "__origin__", None) is list:
            made = [self.value(members[0], f"{path}.{place}") for place in range(draw % 4)]
            return tuple(made) if draw % 11 == 0 else made
        return self.made(RIGHT[kind][draw % len(RIGHT[kind])], path)

    def made(self, one: Any, path: str) -> Any:
        """What stands for a value made to one."""
        match one:
            case Raises():
                raise ValueError(f"{one.message} at {path}")
            case type() if issubclass(one, Row):
                return one(self, path)
            case _ if callable(one):
                return one()
        return one


async def later(value: Any) -> Any:
    """A value that is there in a while."""
    await asyncio.sleep(0)
    return value


async def one_by_one() -> Any:
    """Values that come one by one."""
    yield 1
    yield 2


async def failing() -> Any:
    """Nothing, in a while."""
    await asyncio.sleep(0)
    raise ValueError("It failed later.")


WRONG: Sequence[Any] = [
    *[None] * 6,
    *[Raises("It is broken")] * 4,
    lambda: ValueError("It is an exception."),
    lambda: later(1),
    lambda: later(None),
    failing,
    one_by_one,
    lambda: (each for each in (1, 2)),
    lambda: [later(1), 2],
    lambda: [None],
    lambda: [ValueError("An item is an exception.")],
    "7",
    "refused",
    "nothing",
    7,
    2**31,
    1.0,
    1.5,
    float("nan"),
    True,
    [],
    [[1]],
    {"a": 1},
    b"bytes",
    Colour.RED,
    "RED",
    object,
    ThingRow,
    OtherRow,
]

Thing = Annotated["ThingType", strawberry.lazy(HERE)]
Other = Annotated["OtherType", strawberry.lazy(HERE)]
Named = Annotated["NamedType", strawberry.lazy(HERE)]
Either = Annotated[Thing | Other, strawberry.union("Either")]

RIGHT: dict[Any, Sequence[Any]] = {
    int: [1, 0, -5, 2**31 - 1],
    str: ["a", "", "\u00e9"],
    bool: [True, False],
    float: [1.5, 2.0, 3],
    strawberry.ID: ["id", 7],
    Colour: list(Colour),
    Text: ["text"],
    Odd: ["x", "y"],
    Thing: [ThingRow],
    Other: [OtherRow],
    Named: [ThingRow, OtherRow],
    Either: [ThingRow, OtherRow],
}

TYPES: dict[str, Any] = {
    "number": int,
    "maybe_number": int | None,
    "word": str,
    "maybe_word": str | None,
    "flag": bool,
    "maybe_ratio": float | None,
    "id": strawberry.ID,
    "colour": Colour,
    "maybe_colour": Colour | None,
    "text": Text,
    "maybe_text": Text | None,
    "odd": Odd,
    "maybe_odd": Odd | None,
    "numbers": list[int],
    "maybe_numbers": list[int | None] | None,
    "grid": list[list[int]],
    "maybe_grid": list[list[int | None] | None] | None,
    "colours": list[Colour] | None,
    "odds": list[Odd | None],
    "thing": Thing,
    "maybe_thing": Thing | None,
    "things": list[Thing],
    "maybe_things": list[Thing | None] | None,
    "thing_grid": list[list[Thing | None]],
    "named": Named,
    "maybe_named": Named | None,
    "all_named": list[Named],
    "maybe_either": Either | None,
    "eithers": list[Either | None],
}


class Sometimes(BasePermission):
    """Lets by whom the world lets by."""

    message = "It is not permitted."

    async def has_permission(self, source: Any, info: Any, **_: Any) -> bool:
        """Whether it does, for this parent and field."""
        await asyncio.sleep(0)
        return bool(info.context.world.draw(getattr(source, "path", ""), info.field_name, "permitted") % 4)


class Seldom(Sometimes):
    """The same, at once."""

    def has_permission(self, source: Any, info: Any, **_: Any) -> bool:
        """Whether it does, for this parent and field."""
        return bool(info.context.world.draw(getattr(source, "path", ""), info.field_name, "permitted") % 4)


def resolved(name: str, kind: Any, how: str) -> Any:
    """A field of a type, resolved in one of the ways that there are."""

    def at_once(parent: strawberry.Parent[Any], info: Info) -> Any:
        return getattr(parent or info.context.root, name)

    async def in_a_while(parent: strawberry.Parent[Any], info: Info) -> Any:
        await asyncio.sleep(0)
        return getattr(parent or info.context.root, name)

    def of_parent(parent: strawberry.Parent[Any]) -> Any:
        return getattr(parent, name)

    def by_arguments(
        parent: strawberry.Parent[Any],
        info: Info,
        number: int = 1,
        colour: Colour | None = Colour.RED,
        sizes: list[int] | None = None,
        shape: Shape | None = None,
    ) -> Any:
        row = parent or info.context.root
        return row.world.value(KINDS[name], f"{row.path}.{name}({number} {colour} {sizes} {shape})")

    functions: dict[str, Callable[..., Any]] = {
        "async": in_a_while,
        "function": of_parent,
        "arguments": by_arguments,
        "permitted": in_a_while,
    }
    function = functions.get(how, at_once)
    function.__annotations__["return"] = kind
    permissions = {"permitted": [Sometimes], "checked": [Seldom]}.get(how, [])
    return strawberry.field(resolver=function, permission_classes=permissions)


def loaded_field(name: str, kind: Any) -> Any:
    """A field that a loader loads for all parents at once."""

    class ByPath(TenantLoader[str, Any]):
        async def load_batch(self, tx: Any, keys: Sequence[str]) -> list[Any]:  # noqa: ARG002 - nothing to read from
            await asyncio.sleep(0)
            return [self.context.world.value(kind, f"{key}.{name} loaded") for key in keys]

    return loaded(ByPath, "key", "")


def members(hows: Sequence[str]) -> dict[str, Any]:
    """The attributes of a class with a field of each type, resolved in each of those ways."""
    annotations: dict[str, Any] = {}
    made: dict[str, Any] = {"__annotations__": annotations}
    for name, kind in TYPES.items():
        for how in hows:
            if how == "attribute":
                annotations[name] = kind  # read of the parent, as it is
            elif how == "loaded":
                annotations[f"{name}_loaded"] = kind
                made[f"{name}_loaded"] = loaded_field(name, kind)
            else:
                made[f"{name}_{how}"] = resolved(name, kind, how)
    return made


KINDS = TYPES
EVERYWHERE = ("sync", "async", "arguments", "permitted", "checked")
BELOW = ("attribute", "function", "loaded", *EVERYWHERE)


def _is_of(row: type[Row]) -> Any:
    return classmethod(lambda _class, value, _info: isinstance(value, row))


NamedType: Any = strawberry.interface(name="Named")(
    type("NamedType", (), {"__annotations__": {"word": str, "maybe_named": Named | None}})
)
ThingType: Any = strawberry.type(name="Thing")(
    type("ThingType", (NamedType,), {**members(BELOW), "is_type_of": _is_of(ThingRow)})
)
OtherType: Any = strawberry.type(name="Other")(
    type("OtherType", (NamedType,), {**members(BELOW), "is_type_of": _is_of(OtherRow)})
)
QueryType: Any = strawberry.type(name="Query")(type("QueryType", (), members(EVERYWHERE)))

brittle = TallygateSchema(
    query=QueryType,
    types=[ThingType, OtherType],
    extensions=[TenantExtension, DocumentCacheExtension],
    execution_context_class=SettlingExecutor,
    config=StrawberryConfig(
        info_class=Info,
        scalar_map={
            Text: strawberry.scalar(name="Text", serialize=str),
            Odd: strawberry.scalar(name="Odd", serialize=shown_odd),
        },
    ),
)


class Nowhere:
    """A database that nothing is read from."""

    def tenant(self, *_: Any) -> "Nowhere":
        return self

    async def snapshot(self) -> None:
        return None

    def share(self) -> None:
        return None

    async def renew_broken(self) -> None:
        return None

    async def leave(self) -> None:
        return None


@dataclass
class BrittleContext(Context):
    """A request's context, in a world."""

    world: World = field(default_factory=lambda: World(0, 0))

    @property
    def root(self) -> Row:
        return Row(self.world, "root")


def brittle_context(world: World, *, planner: bool) -> BrittleContext:
    """A request by an owner, in a world."""
    home = UUID(int=1)
    tenant = Tenant(home, Principal("API_KEY", UUID(int=7), "planner", Role.OWNER, home))
    return BrittleContext(
        request_id="req",
        database=Nowhere(),
        cursor_secret="",
        api_key_pepper="",
        given_tenant=tenant,
        planner=planner,
        world=world,
    )
