"""plan.create."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.caller import Caller
from tests.operations.steps import fingerprint, meter, plan, refusal, soft_quota

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
        ({"trialDays": -1}, "INVALID", "trialDays"),
        ({"trialDays": 731}, "INVALID", "trialDays"),
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
        {"key": "pro", "name": "Pro", "currency": "USD", "basePrice": 1},
        "plan { version }",
    )
    assert made["plan"]["version"] == 1


def tiers(*up_to: str | None, **more: Any) -> dict[str, Any]:
    """A price with these bounds, GRADUATED where nothing else is said."""
    return {"model": "GRADUATED", "tiers": [{"upTo": bound, "unitPrice": "1"} for bound in up_to], **more}


def one_price(unit_price: str, flat_fee: int = 0, **more: Any) -> dict[str, Any]:
    """A PER_UNIT price."""
    return {"model": "PER_UNIT", "tiers": [{"unitPrice": unit_price, "flatFee": flat_fee}], **more}


PACKAGE = {"model": "PACKAGE", "tiers": [{"unitPrice": "1"}]}


@pytest.mark.parametrize(
    ("price", "path", "advice"),
    [
        (tiers("1000", "10", None),                 "tiers.1.upTo",      "Let the bounds ascend"),
        (tiers("10", "10", None),                   "tiers.1.upTo",      "Let the bounds ascend"),
        (tiers("0", None),                          "tiers.0.upTo",      "Let the bounds ascend"),
        (tiers("-1", None),                         "tiers.0.upTo",      "Give a number from 0"),
        (tiers("1000000000000000001", None),        "tiers.0.upTo",      "to 1,000,000,000,000,000,000."),
        (tiers("0.0000000000001", None),            "tiers.0.upTo",      "at most 12 decimals"),
        (tiers("1000", "10000"),                    "tiers.1.upTo",      "Leave the last tier open"),
        (tiers("10"),                               "tiers.0.upTo",      "Leave the last tier open"),
        (tiers("10", None, "20"),                   "tiers.1.upTo",      "give this one an upper bound"),
        (tiers(None, None, model="PER_UNIT"),       "tiers",             "remove the others"),
        (tiers(*map(str, range(1, 101)), None),     "tiers",             "Give at most 100 tiers"),
        (one_price("0.1234567890123"),              "tiers.0.unitPrice", "Give at most 12 decimals"),
        (one_price("-0.000000000001"),              "tiers.0.unitPrice", "Give a number from 0"),
        (one_price("9007199254740992"),             "tiers.0.unitPrice", "to 9,007,199,254,740,991."),
        (one_price("1", -1),                        "tiers.0.flatFee",   "Give an amount from 0"),
        (one_price("1", minimum=-1),                "minimum",           "Give an amount from 0"),
        (one_price("1", maximum=-1),                "maximum",           "Give an amount from 0"),
        (one_price("1", minimum=6, maximum=5),      "minimum",           "no more than the maximum"),
        (one_price("1", packageSize="5"),           "packageSize",       "leave it out"),
        (PACKAGE,                                   "packageSize",       "Say how many units"),
        ({**PACKAGE, "packageSize": "0"},           "packageSize",       "more than 0 units"),
        ({**PACKAGE, "packageSize": "-7"},          "packageSize",       "Give a number from 0"),
    ],
)  # fmt: skip
async def test_a_price_that_cannot_be_calculated_with_is_refused_with_advice(
    owner: Caller, administrator: asyncpg.Connection, price: dict[str, Any], path: str, advice: str
) -> None:
    """The path leads to the value, the message says how to mend it, and not a row is stored (M1, M3, M35)."""
    await meter(owner, "calls")
    before = await fingerprint(administrator, owner)
    new = {"key": "pro", "name": "Pro", "currency": "USD", "basePrice": 9900, "features": [{**QUOTA, "price": price}]}
    (error,) = (await owner.attempt("planCreate", new, "plan { id }"))["userErrors"]
    assert (error["code"], ".".join(error["path"])) == ("INVALID", f"input.features.0.price.{path}")
    assert advice in error["message"]
    assert await fingerprint(administrator, owner) == before


@pytest.mark.parametrize(
    ("given", "path", "advice"),
    [
        ({"basePrice": 2**53}, ".basePrice", "between -(2^53-1) and 2^53-1"),
        ({"basePrice": -(2**53)}, ".basePrice", "between -(2^53-1) and 2^53-1"),
        ({"basePrice": 99.5}, ".basePrice", "whole number of minor units"),
        ({"basePrice": "9900"}, ".basePrice", "whole number of minor units"),
        ({"features": [{**QUOTA, "price": one_price("1", 2**53)}]}, "tiers[0].flatFee", "2^53-1"),
        ({"features": [{**QUOTA, "price": one_price("1", minimum=2**53)}]}, "price.minimum", "2^53-1"),
        ({"features": [{**QUOTA, "price": {**PACKAGE, "packageSize": 2.5}}]}, "price.packageSize", "as a string"),
        ({"features": [{**QUOTA, "price": tiers("1e3", None)}]}, "tiers[0].upTo", "no exponent"),
        ({"features": [{**QUOTA, "price": one_price("0." + "1" * 25)}]}, "tiers[0].unitPrice", "at most 24"),
        ({"features": [{**QUOTA, "included": "1" * 25}]}, "features[0].included", "at most 24"),
    ],
)
async def test_a_number_that_no_scalar_takes_is_bad_input(
    owner: Caller, administrator: asyncpg.Connection, given: dict[str, Any], path: str, advice: str
) -> None:
    """Before any rule of plans, the scalars refuse what is not exact or out of bounds, and say where (M4, M6)."""
    await meter(owner, "calls")
    before = await fingerprint(administrator, owner)
    new = {"key": "pro", "name": "Pro", "currency": "USD", "basePrice": 9900, **given}
    document = "mutation($input: PlanCreateInput!) { planCreate(input: $input) { plan { id } } }"
    (error,) = (await owner.ask(document, input=new))["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert path in error["message"]
    assert advice in error["message"]
    assert await fingerprint(administrator, owner) == before


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
