"""What GraphiQL opens with is valid, and runs from the first example to the last."""

import json
import re
from typing import Any

import pytest
from graphql import OperationDefinitionNode, build_schema, parse, validate

from app.api.graphiql import Example, graphiql_examples
from app.api.schema import schema
from app.store.tables.organization import Mode
from tests.caller import Caller, Founder
from tests.operations.steps import instant

EXAMPLES = graphiql_examples()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_is_valid(example: Example) -> None:
    """Every operation of every example validates against the schema."""
    assert validate(build_schema(schema.as_str()), parse(example.query)) == []


async def test_the_examples_run_one_after_the_other(founder: Founder) -> None:
    """The partner's steps take the ids that the steps before gave; nothing is refused, nothing fails.

    In a TEST organization: one of them moves the clock.
    """
    owner = await founder.organization(mode=Mode.TEST, test_clock=instant("2026-05-20T00:00:00Z"))
    ids: dict[str, str] = {}
    for example in EXAMPLES:
        for definition in parse(example.query).definitions:
            if isinstance(definition, OperationDefinitionNode) and definition.name is not None:
                await run(owner, example, definition.name.value, ids)


async def run(owner: Caller, example: Example, operation: str, ids: dict[str, str]) -> None:
    """Run one operation, with the ids known by then, and remember those that it answers."""
    variables = json.loads(without_comments(example.variables or "{}")) | ids
    if operation == "ExplorerNode":
        variables["id"] = ids["invoiceId"]
    response = await owner.post({"query": example.query, "operationName": operation, "variables": variables})
    answer = response.json()
    assert "errors" not in answer, (operation, answer["errors"])
    for refusal in refusals(answer["data"]):
        raise AssertionError((operation, refusal))
    ids |= {f"{name}Id": record["id"] for name, record in records(answer["data"])}


def without_comments(text: str) -> str:
    """The variables' JSON without the comments that explain it."""
    return re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)


def refusals(value: Any) -> list[Any]:
    """Every userError in an answer."""
    match value:
        case dict():
            return [
                error
                for name, content in value.items()
                for error in (content if name == "userErrors" else refusals(content))
            ]
        case list():
            return [error for item in value for error in refusals(item)]
        case _:
            return []


def records(value: Any) -> list[tuple[str, dict[str, Any]]]:
    """Every record in an answer that has an id, by the name of its field."""
    found = []
    if isinstance(value, dict):
        for name, content in value.items():
            if isinstance(content, dict) and "id" in content:
                found.append((name, content))
            found += records(content)
    return found
