"""meter.create."""

from typing import Any

import pytest

from tests.caller import Caller
from tests.operations.steps import meter, refusal


@pytest.mark.parametrize("aggregation", ["COUNT", "SUM", "MAX", "MIN", "AVG", "LATEST"])
async def test_a_meter_aggregates_in_one_way(owner: Caller, aggregation: str) -> None:
    """Every aggregation but UNIQUE reads the quantity and takes no property."""
    new = {"key": "api.calls/v1:x-y_z", "name": "Calls", "unit": "GB", "aggregation": aggregation}
    made = await owner.change("meterCreate", new, "meter { key name unit aggregation property }")
    assert made["meter"] == {**new, "property": None}
    refused = await owner.attempt("meterCreate", {**new, "key": "other", "property": "user"}, "meter { id }")
    assert refusal(refused) == ("INVALID", "property")


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ({"key": "calls"}, "ALREADY_EXISTS", "key"),
        ({"key": ""}, "INVALID", "key"),
        ({"key": "-calls"}, "INVALID", "key"),
        ({"key": "api calls"}, "INVALID", "key"),
        ({"key": "٣"}, "INVALID", "key"),
        ({"key": "calls\n"}, "INVALID", "key"),
        ({"key": "x" * 101}, "INVALID", "key"),
        ({"name": ""}, "INVALID", "name"),
        ({"unit": ""}, "INVALID", "unit"),
        ({"unit": "x" * 51}, "INVALID", "unit"),
        ({"aggregation": "UNIQUE"}, "INVALID", "property"),
        ({"aggregation": "UNIQUE", "property": ""}, "INVALID", "property"),
        ({"aggregation": "UNIQUE", "property": "x" * 101}, "INVALID", "property"),
    ],
)
async def test_a_meter_that_breaks_a_rule_is_refused_where_it_does(
    owner: Caller, given: dict[str, Any], code: str, path: str
) -> None:
    """Keys are plain, unique in the organization; UNIQUE needs what it counts."""
    await meter(owner, "calls")
    new = {"key": "other", "name": "Other", "aggregation": "SUM", **given}
    assert refusal(await owner.attempt("meterCreate", new, "meter { id }")) == (code, path)


async def test_two_organizations_may_use_the_same_key(owner: Caller, stranger: Caller) -> None:
    """A key is unique in its organization alone."""
    assert await meter(owner, "calls") != await meter(stranger, "calls")
