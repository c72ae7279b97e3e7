"""Random documents over a schema: valid ones, most of which execute, some of which fail while they do."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    is_leaf_type,
)

DEPTH_MAX = 3
FIELDS_MAX = 3


@dataclass
class Generated:
    """A document with the values of its variables."""

    text: str
    variables: dict[str, Any]


@dataclass
class Documents:
    """Makes documents by chance. `words` are values that an argument may take, by its name or by its type's."""

    schema: GraphQLSchema
    words: dict[str, list[Any]]
    random: Random
    _variables: dict[str, tuple[str, Any]] = field(default_factory=dict)
    _fragments: list[str] = field(default_factory=list)

    def make(self) -> Generated:
        """A query, some of whose arguments are variables, with fragments and conditions."""
        self._variables, self._fragments = {}, []
        root = self.schema.query_type
        assert root is not None
        body = self._selection(root, 0)
        declared = ", ".join(f"${name}: {type_}" for name, (type_, _) in self._variables.items())
        head = f"query Generated({declared})" if declared else "query Generated"
        given = {name: value for name, (_, value) in self._variables.items() if value is not _LEFT_OUT}
        return Generated("\n".join([f"{head} {body}", *self._fragments]), given)

    def _selection(self, type_: Any, depth: int) -> str:
        chance = self.random
        if is_abstract_type(type_):
            possible = chance.sample(list(self.schema.get_possible_types(type_)), k=min(3, chance.randint(1, 3)))
            parts = [f"... on {one.name}{self._condition()} {self._selection(one, depth)}" for one in possible]
            if chance.random() < 0.5:
                parts.append("__typename")
            parts += [name for name in type_.fields if is_leaf_type(get_named_type(type_.fields[name].type))]
            return "{ " + " ".join(parts) + " }"
        names = [
            name for name, one in type_.fields.items() if depth < DEPTH_MAX or is_leaf_type(get_named_type(one.type))
        ]
        chosen = chance.sample(names, k=min(len(names), chance.randint(1, FIELDS_MAX)))
        parts = [self._field(name, type_.fields[name], depth, place) for place, name in enumerate(chosen)]
        if chance.random() < 0.2 or not parts:
            parts.append("__typename" if chance.random() < 0.7 else "kind: __typename")
        return "{ " + " ".join(self._wrapped(part, type_) for part in parts) + " }"

    def _wrapped(self, part: str, type_: GraphQLObjectType) -> str:
        """A field as it is, or in a fragment of one kind or another."""
        kind = self.random.random()
        if kind < 0.08:
            return f"... on {type_.name} {{ {part} }}"
        if kind < 0.12:
            return f"...{self._condition()} {{ {part} }}"
        if kind < 0.18:
            name = f"F{len(self._fragments)}"
            self._fragments.append(f"fragment {name} on {type_.name} {{ {part} }}")
            return f"...{name}{self._condition()} ...{name}"
        return part

    def _field(self, name: str, definition: GraphQLField, depth: int, place: int) -> str:
        arguments = self._arguments(definition)
        alias = f"a{place}_{name}: " if arguments or self.random.random() < 0.2 else ""
        text = f"{alias}{name}{arguments}{self._condition()}"
        named = get_named_type(definition.type)
        return f"{text} {self._selection(named, depth + 1)}" if is_composite_type(named) else text

    def _arguments(self, definition: GraphQLField) -> str:
        given = []
        left_out = self.random.choice(_NOT_TOGETHER)
        for name, argument in definition.args.items():
            if name in left_out:
                continue
            needed = isinstance(argument.type, GraphQLNonNull) and not argument.default
            if needed or self.random.random() < 0.3:
                value = self._value(argument.type, name)
                if self.random.random() < 0.4:
                    given.append(f"{name}: ${self._variable(argument.type, value)}")
                else:
                    given.append(f"{name}: {_literal(value)}")
        return f"({', '.join(given)})" if given else ""

    def _variable(self, type_: Any, value: Any) -> str:
        name = f"v{len(self._variables)}"
        plain = _plain(value)
        left_out = not isinstance(type_, GraphQLNonNull) and self.random.random() < 0.15
        self._variables[name] = (str(type_), _LEFT_OUT if left_out else plain)
        return name

    def _condition(self) -> str:
        kind = self.random.random()
        if kind > 0.12:
            return ""
        directive = self.random.choice(("skip", "include"))
        if kind < 0.06:
            return f" @{directive}(if: {self.random.choice(('true', 'false'))})"
        name = f"c{self.random.randint(0, 1)}"
        self._variables.setdefault(name, ("Boolean!", self.random.random() < 0.5))
        return f" @{directive}(if: ${name})"

    def _value(self, type_: Any, name: str) -> Any:
        chance = self.random
        if isinstance(type_, GraphQLNonNull):
            return self._value(type_.of_type, name)
        if isinstance(type_, GraphQLList):
            return [self._value(type_.of_type, name) for _ in range(chance.randint(0, 3))]
        if isinstance(type_, GraphQLInputObjectType):
            chosen = [one for one in type_.fields if chance.random() < 0.4]
            needed = [one for one, made in type_.fields.items() if isinstance(made.type, GraphQLNonNull)]
            return {one: self._value(type_.fields[one].type, one) for one in dict.fromkeys([*needed, *chosen])}
        if isinstance(type_, GraphQLEnumType):
            return _Enum(chance.choice(list(type_.values)))
        return chance.choice(self.words.get(name) or self.words[type_.name])


class _Enum(str):
    """A value that a document writes without quotes."""

    __slots__ = ()


_LEFT_OUT = object()

_NOT_TOGETHER = [*[("after", "before", "last")] * 6, *[("after", "before", "first")] * 2, ()]
"""Arguments of pages that are refused together: mostly one end alone is asked for."""


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


def _plain(value: Any) -> Any:
    match value:
        case _Enum():
            return str(value)
        case list():
            return [_plain(one) for one in value]
        case dict():
            return {name: _plain(one) for name, one in value.items()}
        case _:
            return value
