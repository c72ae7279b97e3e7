"""What a field's declaration says of how it is resolved: of its parent alone, or by a loader for all parents."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, cast

from graphql import GraphQLField
from strawberry.types.field import StrawberryField

from app.api.execution.reader import Read


@dataclass(frozen=True, slots=True)
class Batch:
    """A field that its loader answers for all parents at once.

    `loader` is the loader's class; or, where `takes_arguments`, a function that finds it for the field's arguments.
    """

    loader: Any
    key_of: Callable[[Any], Any]
    takes_arguments: bool


def read_of(definition: GraphQLField, strawberry: StrawberryField) -> Read | None:
    """How a field is read of its parent alone: an attribute's name, or a function; None where it takes more."""
    if definition.args or strawberry.extensions:
        return None
    if strawberry.is_basic_field:
        return str(strawberry.python_name)
    resolver = strawberry.base_resolver
    if resolver is None or resolver.is_async or strawberry.permission_classes:
        return None
    taken: Sequence[Any] = list(resolver.signature.parameters.values())
    if len(taken) == 1 and resolver.parent_parameter is not None:
        return cast("Any", resolver.wrapped_func)
    return None


def batch_of(strawberry: StrawberryField) -> Batch | None:
    """How a loader answers a field; None where none does."""
    metadata = strawberry.metadata
    if any(extension.has_resolver for extension in strawberry.extensions):
        return None
    if "loader_of" in metadata:
        return Batch(metadata["loader_of"], attrgetter(metadata["key"]), takes_arguments=True)
    if "loader" in metadata:
        return Batch(metadata["loader"], attrgetter(metadata["key"]), takes_arguments=False)
    return None
