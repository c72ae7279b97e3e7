"""Structs that are generated from the schema's input types, to read batches of them.

graphql-core and Strawberry take 70 microseconds for a usage event, the structs 3. They give the same values, or none:
whatever is unusual raises, and graphql-core coerces it again (decision 0024).
"""

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, Final, cast

import msgspec
import strawberry
from graphql import (
    GraphQLBoolean,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    GraphQLString,
    Undefined,
    get_named_type,
    get_nullable_type,
)
from graphql.utilities.coerce_input_value import coerce_default_value
from msgspec.structs import asdict
from strawberry.types.arguments import InputContext
from strawberry.types.base import StrawberryMaybe, StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

BATCH: Final = "tallygate-batch"
"""Metadata of an input field: how many items it takes at most. In a type's extensions: how such an input is read."""
_LIST: Final = "tallygate-list"
"""In a type's extensions: how a list of such inputs is read."""

Make = Callable[[Any], Any]
"""What makes of a value what a resolver is given. Raises whatever comes up where it does not know the value."""

_DEFINITION: Final = "strawberry-definition"
_PLAIN: Final[Mapping[Any, Any]] = {
    GraphQLString: str,
    GraphQLID: str,
    GraphQLBoolean: bool,
    GraphQLInt: Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)],
}
"""What msgspec takes as graphql-core does, or refuses."""


def batch(most: int, description: str) -> Any:
    """An input field that takes a list of at most `most` inputs; the operation refuses more."""
    return strawberry.field(description=description, metadata={BATCH: most})


@dataclass(frozen=True, slots=True)
class Batch:
    """How a variable is read that is a list, or an input that holds some.

    `cut` leaves of a list no more than one item past its bound: that is enough to be refused.
    """

    cut: Make
    type: Any
    make: Make

    def read(self, value: Any) -> Any:
        """What the resolver is given. Raises whatever comes up where that is not known."""
        return self.make(msgspec.convert(value, self.type))


def prepare_batches(schema: strawberry.Schema) -> None:
    """Generate what reads the batches of a schema. Raises Unreadable for one that only graphql-core reads."""
    core: GraphQLSchema = schema._schema  # noqa: SLF001 - Strawberry shows no schema
    inputs = _Inputs(schema)
    for type_ in list(core.type_map.values()):
        if isinstance(type_, GraphQLInputObjectType):
            bounds = inputs.bounds_of(type_)
            if bounds:
                type_.extensions[BATCH] = Batch(_cut_inside(bounds), *inputs.of(type_))
            for name, most in bounds.items():
                item = get_named_type(type_.fields[name].type)
                struct, make = inputs.of(item)
                item.extensions[_LIST] = Batch(_cut(most), _list_of(struct), _each(make, nullable=False))


def batch_of(type_: Any) -> Batch | None:
    """How a variable of that type is read, where it is a batch or holds some."""
    type_ = get_nullable_type(type_)
    if isinstance(type_, GraphQLInputObjectType):
        return type_.extensions.get(BATCH)
    if isinstance(type_, GraphQLList) and isinstance(type_.of_type, GraphQLNonNull):
        return getattr(type_.of_type.of_type, "extensions", {}).get(_LIST)
    return None


def _cut(most: int) -> Make:
    return lambda value: value[: most + 1] if isinstance(value, list) and len(value) > most + 1 else value


def _cut_inside(bounds: Mapping[str, int]) -> Make:
    cuts = {name: _cut(most) for name, most in bounds.items()}

    def cut(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return value | {name: each(value[name]) for name, each in cuts.items() if name in value}

    return cut


class Unreadable(Exception):
    """An input type that only graphql-core and Strawberry read."""


class _Inputs:
    """Generates, for an input type and those inside it, a struct and what makes of one what Strawberry would."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self._names = schema.config.name_converter
        self._known: dict[str, tuple[Any, Make]] = {}

    def of(self, type_: GraphQLInputObjectType) -> tuple[Any, Make]:
        """The struct, and its maker. Raises Unreadable."""
        if type_.name not in self._known:
            self._known[type_.name] = self._generated(type_)
        return self._known[type_.name]

    def bounds_of(self, type_: GraphQLInputObjectType) -> dict[str, int]:
        """How many items each batch takes at most, by its field."""
        definition: StrawberryObjectDefinition = type_.extensions[_DEFINITION]
        return {
            self._names.from_field(each): each.metadata[BATCH] for each in definition.fields if BATCH in each.metadata
        }

    def _generated(self, type_: GraphQLInputObjectType) -> tuple[Any, Make]:
        definition: StrawberryObjectDefinition = type_.extensions[_DEFINITION]
        kind: Any = definition.origin
        if definition.is_one_of or not _is_plain(kind, definition):
            raise Unreadable(type_.name)
        columns: list[Any] = []
        conversions: list[_Conversion] = []
        renamed: dict[str, str] = {}
        for each in definition.fields:
            name = renamed[each.python_name] = self._names.from_field(each)
            annotation, nullable, convert = self._place(type_.fields[name].type)
            default = _default(each, type_.fields[name])
            columns.append((each.python_name, annotation, *([] if default is MISSING else [default])))
            if convert is not None:
                conversions.append((each.python_name, default, nullable, convert))
        struct = msgspec.defstruct(
            type_.name, columns, rename=renamed, kw_only=True, forbid_unknown_fields=True, gc=False
        )
        definition.from_input = _given_or_converted
        return struct, _maker(kind, conversions)

    def _place(self, type_: Any) -> tuple[Any, bool, Make | None]:
        """What a struct takes there, whether a null too, and what is made of what is no null."""
        nullable = not isinstance(type_, GraphQLNonNull)
        annotation, convert = self._value(type_ if nullable else type_.of_type)
        return annotation | None if nullable else annotation, nullable, convert

    def _value(self, type_: Any) -> tuple[Any, Make | None]:
        if isinstance(type_, GraphQLList):
            annotation, nullable, convert = self._place(type_.of_type)
            return _list_of(annotation), convert and _each(convert, nullable=nullable)
        if isinstance(type_, GraphQLInputObjectType):
            return self.of(type_)
        if type_ in _PLAIN:
            return _PLAIN[type_], None
        return Any, type_.coerce_input_value


_Conversion = tuple[str, Any, bool, Make]
"""An attribute whose value is made of what came in: its name and default, whether it may be null, and how."""


def _is_plain(kind: type, definition: StrawberryObjectDefinition) -> bool:
    """Whether an instance is its attributes and nothing else, all of them fields of the input type."""
    names = {each.name for each in fields(cast("Any", kind))}
    maybe = any(isinstance(each.type, StrawberryMaybe) for each in definition.fields)
    odd = hasattr(kind, "__post_init__") or hasattr(kind, "__slots__") or definition.from_input not in _HOOKS
    return not maybe and not odd and names == {each.python_name for each in definition.fields}


def _default(field: StrawberryField, published: GraphQLInputField) -> Any:
    """What the resolver is given where a client leaves the field out; MISSING where it may not. Raises Unreadable."""
    default = coerce_default_value(published)
    if default is Undefined:
        if field.default_factory is not MISSING:
            raise Unreadable(field.python_name)
        default = field.default_value
        if default is MISSING and not isinstance(published.type, GraphQLNonNull):
            default = None
    if isinstance(default, list | dict):
        raise Unreadable(field.python_name)
    return default


def _maker(kind: Any, conversions: Sequence[_Conversion]) -> Make:
    """What makes an instance of a struct, as the dataclass's own `__init__` would: it has no other effect."""
    new = kind.__new__

    def make(found: Any) -> Any:
        parts = asdict(found)
        for name, default, nullable, convert in conversions:
            value = parts[name]
            if value is default or (value is None and nullable):
                continue
            parts[name] = converted = None if value is None else convert(value)
            if converted is None or converted is Undefined:
                raise Unreadable(name)
        made = new(kind)
        made.__dict__ = parts
        return made

    return make


def _list_of(annotation: Any) -> Any:
    return types.GenericAlias(list, (annotation,))


def _each(convert: Make, *, nullable: bool) -> Make:
    """What makes each item of a list."""
    if nullable:
        return lambda values: [None if value is None else convert(value) for value in values]
    return lambda values: list(map(convert, values))


def _given_or_converted(kind: Any, value: Any, context: InputContext) -> Any:
    """What was read is given as it is; what graphql-core coerced is converted as Strawberry does without a hook."""
    if isinstance(value, kind):
        return value
    definition: StrawberryObjectDefinition = kind.__strawberry_definition__
    names = context.config.name_converter
    parts: dict[str, Any] = {
        each.python_name: None
        for each in definition.fields
        if each.default_value is MISSING and each.default_factory is MISSING
    }
    for each in definition.fields:
        name = names.from_field(each)
        if name in value:
            parts[each.python_name] = context.convert(value[name], each.resolve_type(type_definition=definition), name)
    return kind(**parts)


_HOOKS: Final = (None, _given_or_converted)
