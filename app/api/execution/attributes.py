"""Which attributes of a row a resolver reads: found in its source, so that no column is read that nobody asks for."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from functools import cache
from typing import Any, cast

from strawberry.types.field import StrawberryField


@cache
def attributes_read(function: Callable[..., Any], parameter: str) -> frozenset[str] | None:
    """The attributes of its parameter that a function reads; None where it does anything else with it."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is(node.value, parameter)]
    uses = [node for node in ast.walk(tree) if _is(node, parameter)]
    return frozenset(node.attr for node in attributes) if len(uses) == len(attributes) else None


def attributes_of(strawberry: StrawberryField) -> frozenset[str] | None:
    """The attributes that a field reads of its parent; None where that is not known."""
    metadata = strawberry.metadata
    if "reads" in metadata:
        return frozenset(metadata["reads"])
    if "key" in metadata:
        return frozenset({metadata["key"]})
    if "embeds" in metadata:
        return frozenset(metadata["embeds"].values())
    resolver = strawberry.base_resolver
    if resolver is None:
        return frozenset({str(strawberry.python_name)})
    parent = resolver.parent_parameter
    return None if parent is None else attributes_read(cast("Any", resolver.wrapped_func), parent.name)


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
