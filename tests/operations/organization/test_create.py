"""organization.create and organization.update."""

from typing import Any

import asyncpg
import pytest

from app.store.roles import APP, WORKER
from tests.caller import Caller
from tests.operations.steps import refusal

SELECT = """organization { id legalName mode testClock defaultCurrency timeZone metadata doingBusinessAs legalDocument
parent { id } address { country } }"""


async def test_a_child_is_made_whole_and_entered(owner: Caller) -> None:
    """It has a customer, itself, and is entered with X-Organization-ID; inside, its own rows are all there is."""
    new = {
        "legalName": "Child AG",
        "mode": "TEST",
        "testClock": "2026-02-03T04:05:06Z",
        "defaultCurrency": "CHF",
        "timeZone": "Europe/Zurich",
        "address": {"country": "CH"},
    }
    made = (await owner.change("organizationCreate", new, SELECT))["organization"]
    assert made == {
        **new,
        "id": made["id"],
        "metadata": {},
        "doingBusinessAs": None,
        "legalDocument": None,
        "parent": {"id": owner.organization_id},
    }
    child = Caller(owner.http, owner.api_key, made["id"], owner.database, {"x-organization-id": made["id"]})
    inside = await child.data(
        "{ organization { legalName } customers { nodes { name currency isDefault createdAt } } }"
    )
    assert inside == {
        "organization": {"legalName": "Child AG"},
        "customers": {
            "nodes": [{"name": "Child AG", "currency": "CHF", "isDefault": True, "createdAt": "2026-02-03T04:05:06Z"}]
        },
    }


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ({"legalName": ""}, "INVALID", "legalName"),
        ({"testClock": "2026-02-03T04:05:06Z"}, "INVALID", "testClock"),
        ({"mode": "TEST", "testClock": "1000-01-01T00:00:00Z"}, "INVALID", "testClock"),
        ({"mode": "TEST", "testClock": "9999-12-31T23:59:59Z"}, "INVALID", "testClock"),
        ({"region": "moon"}, "INVALID", "region"),
        ({"legalDocument": "x" * 101}, "INVALID", "legalDocument"),
        ({"parentId": "org_01h455vb4pex5vsknk084sn02q"}, "NOT_FOUND", "parentId"),
        ({"parentId": "xyzzy"}, "NOT_FOUND", "parentId"),
    ],
)
async def test_a_child_that_breaks_a_rule_is_refused_where_it_does(
    owner: Caller, given: dict[str, Any], code: str, path: str
) -> None:
    """A clock is for TEST alone, and near enough that billing can reckon from it."""
    refused = await owner.attempt("organizationCreate", {"legalName": "Child AG", **given}, "organization { id }")
    assert refusal(refused) == (code, path)
    assert (await owner.data("{ organization { children { totalCount } } }"))["organization"]["children"] == {
        "totalCount": 0
    }


@pytest.mark.parametrize(
    ("change", "after"),
    [
        ({}, {}),
        ({"legalName": "Renamed"}, {"legalName": "Renamed"}),
        ({"doingBusinessAs": "Plugh"}, {"doingBusinessAs": "Plugh"}),
        ({"doingBusinessAs": None}, {"doingBusinessAs": None}),
        ({"legalDocument": None}, {"legalDocument": None}),
        ({"address": None}, {"address": None}),
        ({"timeZone": "Asia/Kathmandu"}, {"timeZone": "Asia/Kathmandu"}),
        ({"metadata": None}, {"metadata": {}}),
    ],
)
async def test_null_takes_away_and_what_is_left_out_stays(
    owner: Caller, change: dict[str, Any], after: dict[str, Any]
) -> None:
    """Each field that is named changes, and no other does."""
    before = {
        "legalName": "Xyzzy",
        "doingBusinessAs": "Xy",
        "legalDocument": "DE123456789",
        "address": {"country": "DE"},
        "timeZone": "Europe/Berlin",
        "metadata": {"k": "v"},
    }
    await owner.change("organizationUpdate", before, "organization { id }")
    select = "organization { legalName doingBusinessAs legalDocument address { country } timeZone metadata }"
    updated = await owner.change("organizationUpdate", change, select)
    assert updated["organization"] == before | after


@pytest.mark.parametrize("field", ["legalName", "timeZone"])
async def test_what_an_organization_needs_cannot_be_taken_away(owner: Caller, field: str) -> None:
    """null is refused where there must be a value."""
    assert refusal(await owner.attempt("organizationUpdate", {field: None}, "organization { id }")) == (
        "INVALID",
        field,
    )


async def test_organizations_nest_eight_deep_and_no_parent_ever_changes(
    owner: Caller, administrator: asyncpg.Connection
) -> None:
    """The ninth level is refused, whoever enters; so there is no circle: each is made below one that is there."""
    parent = owner.organization_id
    for level in range(2, 9):
        new = {"legalName": f"Level {level}", "parentId": parent}
        parent = (await owner.change("organizationCreate", new, "organization { id }"))["organization"]["id"]
    new = {"legalName": "Level 9", "parentId": parent}
    refused = await owner.attempt("organizationCreate", new, "organization { id }")
    assert refusal(refused) == ("LIMIT_EXCEEDED", "parentId")
    inside = Caller(owner.http, owner.api_key, parent, owner.database, {"x-organization-id": parent})
    refused = await inside.attempt("organizationCreate", {"legalName": "Level 9"}, "organization { id }")
    assert refusal(refused) == ("LIMIT_EXCEEDED", "parentId")
    for role in (APP, WORKER):
        may = "select has_column_privilege($1, 'organizations', 'parent_id', 'update')"
        assert not await administrator.fetchval(may, role)
