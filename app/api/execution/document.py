"""A document as it is known: parsed within bounds, validated, with the plans of its operations."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    DocumentNode,
    FloatValueNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    StringValueNode,
    VariableNode,
    Visitor,
    parse,
    specified_rules,
    visit,
)
from strawberry.schema.schema import validate_document

from app.api.cost import cost_of
from app.api.errors import TooComplex
from app.api.execution.bounds import check_bounds
from app.api.execution.plan import Plan
from app.api.execution.values import Variables
from app.api.formula import Cost

TOKENS_MAX: Final = 2_000
NUMBER_MAX: Final = 100
PLANS_MAX: Final = 16
"""Of one operation: one for each choice that its conditions make; the oldest go."""

_TEXT_BYTES: Final = 40
"""A parsed document takes about this many bytes for each byte of its text."""
_FIELD_BYTES: Final = 2_000
"""A plan takes about this many bytes for each of its fields."""
_CONDITIONS: Final = frozenset({"skip", "include"})

Choice = tuple[Any, ...]
"""The values of the variables on which it depends what is selected."""


class Declined(NamedTuple):
    """Stands for a plan where there is none."""

    reason: str


class KnownOperation:
    """An operation of a valid document, and its plans."""

    def __init__(
        self,
        node: OperationDefinitionNode,
        fragments: dict[str, FragmentDefinitionNode],
        cost: Cost,
        variables: Variables,
    ) -> None:
        self.node = node
        self.is_query = node.operation is OperationType.QUERY
        self.variables = variables
        self.cost = cost
        self.fragments = fragments
        self.plans: OrderedDict[Choice, Plan | Declined] = OrderedDict()
        self._conditions = _conditions_of(node, fragments.values())

    def choice(self, variables: Mapping[str, Any]) -> Choice | None:
        """What `@skip` and `@include` choose under those variables; None where that cannot be told beforehand."""
        return None if self._conditions is None else tuple(map(variables.get, self._conditions))

    def keep(self, choice: Choice, plan: Plan | Declined) -> int:
        """Keep a plan, or that there is none; about how many bytes that takes, less what had to go for it."""
        self.plans[choice] = plan
        size = _size_of(plan)
        if len(self.plans) > PLANS_MAX:
            size -= _size_of(self.plans.popitem(last=False)[1])
        return size


@dataclass(slots=True)
class KnownDocument:
    """A document that was parsed and validated; `errors` is empty where it is valid.

    `operations` are by name, and by None where there is just one. `size` is about how many bytes it takes.
    """

    document: DocumentNode
    errors: tuple[GraphQLError, ...]
    size: int
    operations: Mapping[str | None, KnownOperation] = field(default_factory=dict)


def known(schema: GraphQLSchema, text: str) -> KnownDocument:
    """Parse and validate. Raises GraphQLError for a syntax error, TooComplex for one beyond its bounds."""
    document = parsed(text)
    errors = tuple(validate_document(schema, document, tuple(specified_rules)))
    return KnownDocument(document, errors, len(text) * _TEXT_BYTES, {} if errors else _operations_of(schema, document))


def parsed(text: str) -> DocumentNode:
    """Parse a document. Raises GraphQLError for a syntax error, TooComplex for one beyond its bounds."""
    try:
        document = parse(text, max_tokens=TOKENS_MAX)
    except GraphQLError as error:
        if "token" in error.message and str(TOKENS_MAX) in error.message:
            raise TooComplex(f"The document has more than {TOKENS_MAX:,} tokens.") from error
        raise
    check_bounds(document)
    visit(document, _ValueCheck())
    return document


def unfit(text: str) -> str | None:
    """Why a text cannot be stored, or None: a NUL or half a surrogate pair."""
    if "\x00" in text:
        return "Strings cannot hold the character U+0000."
    try:
        text.encode()
    except UnicodeEncodeError:
        return "Strings cannot hold half a surrogate pair."
    return None


def _operations_of(schema: GraphQLSchema, document: DocumentNode) -> dict[str | None, KnownOperation]:
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    nodes = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    found: dict[str | None, KnownOperation] = {}
    for node in nodes:
        operation = KnownOperation(
            node, fragments, cost_of(schema, fragments, node), Variables(schema, node.variable_definitions or ())
        )
        if node.name is not None:
            found[node.name.value] = operation
        if len(nodes) == 1:
            found[None] = operation
    return found


def _size_of(plan: Plan | Declined) -> int:
    return _FIELD_BYTES * (1 + (0 if isinstance(plan, Declined) else plan.fields))


def _conditions_of(
    operation: OperationDefinitionNode, fragments: Iterable[FragmentDefinitionNode]
) -> tuple[str, ...] | None:
    """The variables of `@skip` and `@include`; None where a condition is neither a variable nor a boolean."""
    finder = _Conditions()
    for node in (operation, *fragments):
        visit(node, finder)
    return None if finder.odd else tuple(sorted(finder.names))


class _Conditions(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.odd = False

    def enter_directive(self, node: DirectiveNode, *_: object) -> None:
        for argument in node.arguments or () if node.name.value in _CONDITIONS else ():
            if isinstance(argument.value, VariableNode):
                self.names.add(argument.value.name.value)
            elif not isinstance(argument.value, BooleanValueNode):
                self.odd = True


class _ValueCheck(Visitor):
    """Refuses strings that PostgreSQL cannot hold, and numbers that nobody needs and Python reads slowly or not."""

    def enter_int_value(self, node: IntValueNode, *_: object) -> None:
        self._check_number(node)

    def enter_float_value(self, node: FloatValueNode, *_: object) -> None:
        self._check_number(node)

    def _check_number(self, node: IntValueNode | FloatValueNode) -> None:
        if len(node.value) > NUMBER_MAX:
            raise GraphQLError(f"A number has at most {NUMBER_MAX} characters.", node)

    def enter_string_value(self, node: StringValueNode, *_: object) -> None:
        problem = unfit(node.value)
        if problem:
            raise GraphQLError(problem, node)
