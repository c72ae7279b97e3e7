"""Documents over a schema, made by chance: valid ones, most of which execute, some of which fail while they do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    Undefined,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    is_leaf_type,
    is_object_type,
    is_required_argument,
    is_required_input_field,
)

from tests.api.execution.chance import Chance

DEPTH_MAX = 5
FIELDS_MAX = 3
ANYTHING = [None, 0, 1, -1, 2**40, 1.5, True, "", "xyzzy", "\u00e9", [], [None], [[1]], {}, {"xyzzy": 1}]
"""What a variable may hold that was never looked at."""


@dataclass(frozen=True)
class Generated:
    """A document with the values of its variables."""

    text: str
    variables: dict[str, Any]


@dataclass
class Documents:
    """Makes documents. `words` are values that an argument may take, by its name or by its type's."""

    schema: GraphQLSchema
    words: Mapping[str, Sequence[Any]]
    chance: Chance
    _variables: dict[str, tuple[str, Callable[[], Any]]] = field(default_factory=dict)
    """How each is declared, and what draws a value for it."""
    _fragments: list[tuple[str, str]] = field(default_factory=list)
    _text: str = ""
    _aliases: int = 0

    def make(self) -> Generated:
        """A query with arguments, variables, fragments and conditions."""
        root = self.schema.query_type
        assert root is not None
        body = self._selection(root, 0)
        declared = ", ".join(f"${name}: {type_}" for name, (type_, _) in self._variables.items())
        head = f"query Generated({declared})" if declared else "query Generated"
        fragments = [f"fragment F{place} on {of} {text}" for place, (of, text) in enumerate(self._fragments)]
        self._text = "\n".join([f"{head} {body}", *fragments])
        return self.again()

    def again(self) -> Generated:
        """The document that was made, with other values of its variables."""
        drawn = {name: draw() for name, (_, draw) in self._variables.items()}
        return Generated(self._text, {name: value for name, value in drawn.items() if value is not _LEFT_OUT})

    def _selection(self, type_: Any, depth: int) -> str:
        make = self._of_abstract if is_abstract_type(type_) else self._of_object
        return f"{{ {make(type_, depth)} }}"

    def _of_abstract(self, type_: Any, depth: int) -> str:
        possible = list(self.schema.get_possible_types(type_))
        parts = []
        for one in self.chance.some_of(possible, 3):
            inside = self._of_object(one, depth, aliased_unless=getattr(type_, "fields", {}))
            parts.append(f"... on {one.name}{self._condition()} {{ {inside} }}")
        if getattr(type_, "fields", {}) and self.chance.happens(50):
            parts.append(self._of_object(type_, depth))
        if self.chance.happens(50):
            parts.insert(self.chance.between(0, len(parts)), "__typename")
        return " ".join(parts)

    def _of_object(self, type_: Any, depth: int, aliased_unless: Mapping[str, Any] | None = None) -> str:
        """A few fields of an object type or an interface, each as it is or in a fragment.

        Fields beside those of other types are aliased: the same name may be of another type there.
        """
        leaves = [name for name, one in type_.fields.items() if is_leaf_type(get_named_type(one.type))]
        deeper = [name for name in type_.fields if name not in leaves] if depth < DEPTH_MAX else []
        parts = []
        for name in self.chance.some_of(leaves + deeper, FIELDS_MAX) if leaves or deeper else []:
            prefix = type_.name.lower() if aliased_unless is not None and name not in aliased_unless else ""
            parts.append(self._wrapped(self._field(name, type_.fields[name], depth, prefix), type_))
        if not parts or self.chance.happens(12):
            parts.append(self.chance.one_of(("__typename", "typed: __typename")))
        return " ".join(parts)

    def _wrapped(self, part: str, type_: Any) -> str:
        """A field as it is, or in a fragment of one kind or another."""
        kind = self.chance.between(0, 15)
        if kind == 15:
            return f"... on {type_.name} {{ {part} }}"
        if kind == 14:
            return f"...{self._condition()} {{ {part} }}"
        if kind == 13 and is_object_type(type_) and type_.interfaces:
            return (
                f"... on {self.chance.one_of(type_.interfaces).name} {{ __typename ... on {type_.name} {{ {part} }} }}"
            )
        if kind in (11, 12):
            self._fragments.append((type_.name, f"{{ {part} }}"))
            name = f"F{len(self._fragments) - 1}"
            return f"...{name}{self._condition()} ...{name}" if self.chance.happens(50) else f"...{name}"
        known = [place for place, (of, _) in enumerate(self._fragments) if of == type_.name]
        if kind == 10 and known:
            return f"{part} ...F{self.chance.one_of(known)}"
        return part

    def _field(self, name: str, definition: GraphQLField, depth: int, prefix: str) -> str:
        arguments = self._arguments(definition)
        head = name + arguments
        if arguments or prefix or self.chance.happens(15):
            self._aliases += 1
            head = f"a{self._aliases}_{prefix}{name}: {head}"
        named = get_named_type(definition.type)
        if not is_composite_type(named):
            return head + self._condition()
        parts = [f"{head}{self._condition()} {self._selection(named, depth + 1)}"]
        if self.chance.happens(10):
            parts.append(f"{head}{self._condition()} {self._selection(named, depth + 1)}")
        return " ".join(parts)

    def _arguments(self, definition: GraphQLField) -> str:
        given = []
        left_out = self.chance.one_of(_NOT_TOGETHER)
        for name, argument in definition.args.items():
            often = 85 if name == "id" else 30
            if is_required_argument(argument) or (name not in left_out and self.chance.happens(often)):
                given.append(f"{name}: {self._written(argument, name)}")
        return f"({', '.join(given)})" if given else ""

    def _written(self, place: Any, name: str) -> str:
        """What a document writes for an argument or an input field: a literal, or a variable."""
        if self.chance.happens(25):
            return self._variable(place.type, name, has_default=_has_default(place))
        return self._literal(place.type, name)

    def _literal(self, type_: Any, name: str) -> str:
        """A value in a document, perhaps with variables in it."""
        if isinstance(type_, GraphQLNonNull):
            type_ = type_.of_type
        elif self.chance.happens(3):
            return "null"
        if isinstance(type_, GraphQLList):
            return f"[{', '.join(self._item(type_.of_type, name) for _ in range(self.chance.between(0, 3)))}]"
        if isinstance(type_, GraphQLInputObjectType):
            parts = [f"{one}: {self._written(type_.fields[one], one)}" for one in self._input_fields(type_)]
            return "{" + ", ".join(parts) + "}"
        return _literal(self._leaf(type_, name))

    def _item(self, type_: Any, name: str) -> str:
        if self.chance.happens(10):
            return self._variable(type_, name, has_default=False)
        return self._literal(type_, name)

    def _variable(self, type_: Any, name: str, *, has_default: bool) -> str:
        """Declare a variable for a place of that type, and give it a value, or none."""
        text, default = str(type_), ""
        nullable = not isinstance(type_, GraphQLNonNull)
        if nullable and self.chance.happens(30):
            text += "!"
        elif self.chance.happens(20):
            text, default = text.removesuffix("!"), f" = {_literal(self._value(type_, name))}"
        elif has_default:
            text = text.removesuffix("!")
        made = f"v{len(self._variables)}"
        self._variables[made] = (text + default, lambda: self._given(type_, text, name))
        return f"${made}"

    def _given(self, type_: Any, declared: str, name: str) -> Any:
        """What a client gives for a variable: mostly a value of its type."""
        value = self._value(type_, name)
        if not declared.endswith("!") and self.chance.happens(20):
            return self.chance.one_of((_LEFT_OUT,) if isinstance(type_, GraphQLNonNull) else (_LEFT_OUT, None))
        return self.chance.one_of((*ANYTHING, _LEFT_OUT)) if self.chance.happens(3) else value

    def _value(self, type_: Any, name: str) -> Any:
        """A value as JSON has it."""
        if isinstance(type_, GraphQLNonNull):
            return self._value(type_.of_type, name)
        if isinstance(type_, GraphQLList):
            return [self._value(type_.of_type, name) for _ in range(self.chance.between(0, 3))]
        if isinstance(type_, GraphQLInputObjectType):
            return {one: self._value(type_.fields[one].type, one) for one in self._input_fields(type_)}
        return self._leaf(type_, name)

    def _input_fields(self, type_: GraphQLInputObjectType) -> list[str]:
        return [name for name, one in type_.fields.items() if is_required_input_field(one) or self.chance.happens(40)]

    def _leaf(self, type_: Any, name: str) -> Any:
        if isinstance(type_, GraphQLEnumType):
            return _Enum(self.chance.one_of(self.words.get(name) or list(type_.values)))
        return self.chance.one_of(self.words.get(name) or self.words[type_.name])

    def _condition(self) -> str:
        """Mostly nothing; else a directive or two, of a literal or a variable."""
        if not self.chance.happens(10):
            return ""
        directives = self.chance.some_of(("include", "skip"), 2 if self.chance.happens(15) else 1)
        return "".join(f" @{directive}(if: {self._boolean()})" for directive in directives)

    def _boolean(self) -> str:
        name = self.chance.one_of(("true", "false", "$c0", "$c1", "$c2"))
        if name.startswith("$"):
            type_ = "Boolean = true" if name == "$c2" else "Boolean!"
            values = (True, False, _LEFT_OUT) if name == "$c2" else (True, False)
            self._variables.setdefault(name[1:], (type_, lambda: self.chance.one_of(values)))
        return name


class _Enum(str):
    """A value that a document writes without quotes."""

    __slots__ = ()


_LEFT_OUT = object()

_NOT_TOGETHER = [
    *[("after", "before", "last", "externalId", "number")] * 17,
    *[("after", "before", "first", "externalId", "number")] * 5,
    *[("id", "before", "last")] * 2,
    (),
]
"""Arguments that are refused together: mostly one end of a page alone is asked for, and one name of a record."""


def _has_default(place: Any) -> bool:
    return place.default is not None or place.default_value is not Undefined


def _literal(value: Any) -> str:
    match value:
        case _Enum():
            return str(value)
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"'
        case list():
            return f"[{', '.join(_literal(one) for one in value)}]"
        case dict():
            return "{" + ", ".join(f"{name}: {_literal(one)}" for name, one in value.items()) + "}"
        case _:
            return str(value)
