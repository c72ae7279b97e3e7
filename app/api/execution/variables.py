"""Variables that hold batches, read at once; what cannot be read so, graphql-core coerces: all errors are its own."""

from collections.abc import Callable, Mapping
from typing import Any

from graphql import DocumentNode, GraphQLError, GraphQLSchema, OperationDefinitionNode
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValueSource

from app.api.execution.inputs import Batch, batch_of

Build = Callable[[DocumentNode, Mapping[str, Any]], Any]


def built(build: Build, schema: GraphQLSchema, document: DocumentNode, given: dict[str, Any], name: str | None) -> Any:
    """What `build` makes of a document, its variables and the operation's name: an executor, or errors.

    Batches are left out of what it coerces, and their values put in afterwards.
    """
    operation = _operation(document, name)
    batches = {} if operation is None else _batches(schema, operation, given)
    if operation is None or not batches:
        return build(document, given)
    given = given | {name: each.cut(given[name]) for name, (_, each) in batches.items()}
    try:
        values = {name: each.read(given[name]) for name, (_, each) in batches.items()}
    except Exception:  # noqa: BLE001 - graphql-core says what is wrong, if anything is
        return build(document, given)
    executor = build(_without(document, operation, values), given)
    if isinstance(executor, list):
        return build(document, given)
    executor.operation = operation
    executor.variable_values.coerced.update(values)
    executor.variable_values.sources.update(
        {name: VariableValueSource(signature, given[name]) for name, (signature, _) in batches.items()}
    )
    return executor


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode | None:
    """The operation that is asked for, where that is clear."""
    found = [
        each
        for each in document.definitions
        if isinstance(each, OperationDefinitionNode) and name in (None, each.name and each.name.value)
    ]
    return found[0] if len(found) == 1 else None


def _batches(
    schema: GraphQLSchema, operation: OperationDefinitionNode, given: Mapping[str, Any]
) -> dict[str, tuple[GraphQLVariableSignature, Batch]]:
    """The variables that hold batches and were given a value."""
    found = {}
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        signature = get_variable_signature(schema, definition)
        if name in given and not isinstance(signature, GraphQLError):
            each = batch_of(signature.type)
            if each is not None:
                found[name] = (signature, each)
    return found


def _without(document: DocumentNode, operation: OperationDefinitionNode, names: Mapping[str, Any]) -> DocumentNode:
    """The document, with those variables not declared."""
    declared = tuple(each for each in operation.variable_definitions or () if each.variable.name.value not in names)
    reduced = _copy(operation, variable_definitions=declared)
    return _copy(document, definitions=tuple(reduced if each is operation else each for each in document.definitions))


def _copy(node: Any, **changed: Any) -> Any:
    return type(node)(**({key: getattr(node, key) for key in node.keys} | changed))
