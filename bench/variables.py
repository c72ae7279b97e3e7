"""What 1,000 usage events cost from the bytes of a request's body to what the resolver is given, on both roads."""

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from graphql import parse
from graphql.execution.values import get_argument_values
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types.arguments import convert_arguments

from app.api.execution.executor import SettlingExecutor
from app.api.limits import request_from_json
from app.api.schema import schema

EVENTS: Final = 1_000
ROUNDS: Final = 40
MICROSECONDS_MAX: Final = 5.0
"""The most that an event may cost."""

DOCUMENT: Final = "mutation ($input: UsageRecordInput!) { usageRecord(input: $input) { accepted } }"

CORE: Final = schema._schema  # noqa: SLF001 - Strawberry shows no schema
FIELD: Final = CORE.mutation_type.fields["usageRecord"]
ARGUMENTS: Final = FIELD.extensions["strawberry-definition"].arguments
PARSED: Final = parse(DOCUMENT)
EXECUTORS: Final = {"structs": SettlingExecutor, "graphql-core": StrawberryGraphQLCoreExecutionContext}


def main() -> int:
    """Measure both roads in turn; fail unless they give the same. 1 where the bound does not hold."""
    body = json.dumps({"query": DOCUMENT, "variables": {"input": {"events": list(map(event, range(EVENTS)))}}}).encode()
    assert given("structs", body) == given("graphql-core", body)
    taken: dict[str, list[float]] = {road: [] for road in EXECUTORS}
    loaded: list[float] = []
    for _ in range(ROUNDS):
        loaded.append(seconds(lambda: request_from_json(body)))
        for road, times in taken.items():
            times.append(seconds(lambda road=road: given(road, body)))
    print(f"{EVENTS:,} events, {len(body):,} bytes; microseconds an event, median of {ROUNDS} (least to most)")
    show("JSON and its bounds alone", loaded)
    for road, times in taken.items():
        show(f"all of it, by {road}", times)
    return 0 if 1e6 * statistics.median(taken["structs"]) / EVENTS <= MICROSECONDS_MAX else 1


def event(number: int) -> dict[str, Any]:
    """An event with what a sender mostly gives."""
    return {
        "eventId": f"evt_{number * 7919 % 100_003:08d}",
        "source": "api-gateway",
        "meter": "api-calls",
        "externalCustomerId": f"customer-{number % 50}",
        "quantity": f"{number % 17 + 1}.25",
        "occurredAt": f"2026-05-20T{number % 24:02d}:{number % 60:02d}:00Z",
        "properties": {"region": "eu-west-1", "status": 200},
    }


def given(road: str, body: bytes) -> Any:
    """The resolver's `input`, from the bytes of a body."""
    request = request_from_json(body)
    executor = EXECUTORS[road].build(CORE, PARSED, None, None, request.variables)
    arguments = get_argument_values(FIELD, executor.operation.selection_set.selections[0], executor.variable_values)
    converted = convert_arguments(arguments, ARGUMENTS, schema.schema_converter.scalar_registry, schema.config)
    return converted["input"]


def seconds(run: Callable[[], Any]) -> float:
    """How much of the processor something takes."""
    start = time.process_time()
    run()
    return time.process_time() - start


def show(what: str, times: list[float]) -> None:
    """A line of the table."""
    figures = [1e6 * each / EVENTS for each in (statistics.median(times), min(times), max(times))]
    print(f"{what:32} {figures[0]:8.2f} ({figures[1]:.2f} to {figures[2]:.2f})")


if __name__ == "__main__":
    sys.exit(main())
