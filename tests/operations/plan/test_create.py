"""plan.create."""

import asyncio
from typing import Any

import pytest

from tests.caller import Caller
from tests.operations.steps import meter, plan, refusal, soft_quota

TIERED = {
    "key": "calls",
    "name": "API calls",
    "type": "METERED",
    "meter": "calls",
    "included": "100",
    "price": {
        "model": "GRADUATED",
        "tiers": [
            {"upTo": "1000", "unitPrice": "0.000000150001", "flatFee": 7},
            {"upTo": "10000.5", "unitPrice": "10"},
            {"unitPrice": "5"},
        ],
        "minimum": 11,
        "maximum": 9007199254740991,
    },
}
SELECT = """plan { key version name description status basePrice { amount currency } interval intervalCount timing
features { key name type enforcement meter { key } included price { model packageSize
tiers { upTo unitPrice flatFee } minimum { amount currency } maximum { amount currency } } } }"""


async def test_a_plan_keeps_every_digit_of_its_prices(owner: Caller) -> None:
    """Twelve decimals, infinite last tier, bounds as money of the plan's currency (M1, M3, M35)."""
    await meter(owner, "calls")
    new = {"key": "pro", "name": "Pro", "currency": "JPY", "basePrice": 2999, "features": [TIERED]}
    made = (await owner.change("planCreate", new, SELECT))["plan"]
    assert made["basePrice"] == {"amount": 2999, "currency": "JPY"}
    assert (made["status"], made["version"], made["interval"], made["intervalCount"]) == ("DRAFT", 1, "MONTH", 1)
    (feature,) = made["features"]
    assert feature["price"]["tiers"] == [
        {"upTo": "1000", "unitPrice": "0.000000150001", "flatFee": 7},
        {"upTo": "10000.5", "unitPrice": "10", "flatFee": 0},
        {"upTo": None, "unitPrice": "5", "flatFee": 0},
    ]
    assert feature["price"]["minimum"] == {"amount": 11, "currency": "JPY"}
    assert feature["price"]["maximum"] == {"amount": 9007199254740991, "currency": "JPY"}


async def test_twenty_at_once_make_twenty_versions(owner: Caller) -> None:
    """Versions of one key count 1, 2, 3 without a gap or a double, however parallel."""
    new = {"key": "pro", "name": "Pro", "currency": "USD", "basePrice": 1}
    made = await asyncio.gather(*(owner.change("planCreate", new, "plan { version }") for _ in range(20)))
    assert sorted(each["plan"]["version"] for each in made) == list(range(1, 21))


async def test_versions_of_one_key_do_not_count_for_another(owner: Caller, stranger: Caller) -> None:
    """Each key of each organization counts by itself."""
    new = {"name": "Pro", "currency": "USD", "basePrice": 1}
    versions = [
        (await caller.change("planCreate", {"key": key, **new}, "plan { version }"))["plan"]["version"]
        for caller, key in [(owner, "pro"), (owner, "pro"), (owner, "team"), (stranger, "pro")]
    ]
    assert versions == [1, 2, 1, 1]


QUOTA = soft_quota("calls")


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ({"key": ""}, "INVALID", "key"),
        ({"key": "pro plan"}, "INVALID", "key"),
        ({"name": ""}, "INVALID", "name"),
        ({"description": ""}, "INVALID", "description"),
        ({"basePrice": -1}, "INVALID", "basePrice"),
        ({"intervalCount": 0}, "INVALID", "intervalCount"),
        ({"intervalCount": -1}, "INVALID", "intervalCount"),
        ({"intervalCount": 1001}, "INVALID", "intervalCount"),
        ({"features": [QUOTA, {**QUOTA, "name": "again"}]}, "INVALID", "key"),
        ({"features": [{**QUOTA, "key": f"k{n}"} for n in range(101)]}, "INVALID", "features"),
        ({"features": [{**QUOTA, "meter": "unknown"}]}, "NOT_FOUND", "meter"),
        ({"features": [{**QUOTA, "meter": None}]}, "INVALID", "meter"),
        ({"features": [{**QUOTA, "included": None}]}, "INVALID", "included"),
        ({"features": [{**QUOTA, "included": "-1"}]}, "INVALID", "included"),
        ({"features": [{**QUOTA, "enforcement": None}]}, "INVALID", "enforcement"),
        ({"features": [{**QUOTA, "enforcement": "HARD"}]}, "INVALID", "price"),
        ({"features": [{**QUOTA, "price": None}]}, "INVALID", "price"),
        ({"features": [{**QUOTA, "type": "BOOLEAN"}]}, "INVALID", "enforcement"),
        ({"features": [{**QUOTA, "type": "METERED"}]}, "INVALID", "enforcement"),
        ({"features": [{**QUOTA, "price": {"model": "PER_UNIT", "tiers": []}}]}, "INVALID", "tiers"),
        (
            {"features": [{**QUOTA, "price": {"model": "PACKAGE", "tiers": [{"unitPrice": "1"}]}}]},
            "INVALID",
            "packageSize",
        ),
        (
            {"features": [{**QUOTA, "price": {"model": "PER_UNIT", "tiers": [{"unitPrice": "-1"}]}}]},
            "INVALID",
            "unitPrice",
        ),
        (
            {"features": [{**QUOTA, "price": {"model": "PER_UNIT", "tiers": [{"unitPrice": "0.1234567890123"}]}}]},
            "INVALID",
            "unitPrice",
        ),
    ],
)
async def test_a_plan_that_breaks_a_rule_is_refused_where_it_does(
    owner: Caller, given: dict[str, Any], code: str, path: str
) -> None:
    """The refusal's path leads to the value that is wrong, and no version is used up."""
    await meter(owner, "calls")
    new = {"key": "pro", "name": "Pro", "currency": "USD", "basePrice": 9900, **given}
    refused = await owner.attempt("planCreate", new, "plan { id }")
    assert refusal(refused) == (code, path)
    made = await owner.change(
        "planCreate",
        {**new, "key": "pro", "name": "Pro", "description": None, "basePrice": 1, "intervalCount": 1, "features": []},
        "plan { version }",
    )
    assert made["plan"]["version"] == 1


async def test_the_newest_version_answers_for_its_key(owner: Caller) -> None:
    """A plan is found by its key, newest version first, or by key and version; null where there is none."""
    await plan(owner, "pro", 1)
    await plan(owner, "pro", 2)
    found = await owner.data(
        """{ newest: plan(key: "pro") { version } first: plan(key: "pro", version: 1) { basePrice { amount } }
        third: plan(key: "pro", version: 3) { id }
        zero: plan(key: "pro", version: 0) { id } none: plan(key: "x") { id } }"""
    )
    assert found == {
        "newest": {"version": 2},
        "first": {"basePrice": {"amount": 1}},
        "third": None,
        "zero": None,
        "none": None,
    }
