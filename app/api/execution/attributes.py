"""Which attributes of a row a resolver reads: found in its source, so that no column is read that nobody asks for."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from functools import cache
from typing import Any


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


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
