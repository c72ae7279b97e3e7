"""plan.publish and plan.archive: DRAFT, then ACTIVE, then ARCHIVED."""

import pytest

from tests.caller import Caller
from tests.operations.steps import codes, refusal


async def plan_in(caller: Caller, status: str) -> str:
    made = await caller.change(
        "planCreate", {"key": "pro", "name": "Pro", "currency": "USD", "basePrice": 77}, "plan { id }"
    )
    for field in {"DRAFT": [], "ACTIVE": ["planPublish"], "ARCHIVED": ["planPublish", "planArchive"]}[status]:
        await caller.change(field, {"planId": made["plan"]["id"]}, "plan { id }")
    return made["plan"]["id"]


@pytest.mark.parametrize(
    ("status", "field", "outcome"),
    [
        ("DRAFT", "planPublish", "ACTIVE"),
        ("DRAFT", "planArchive", "INVALID_STATE"),
        ("ACTIVE", "planPublish", "INVALID_STATE"),
        ("ACTIVE", "planArchive", "ARCHIVED"),
        ("ARCHIVED", "planPublish", "INVALID_STATE"),
        ("ARCHIVED", "planArchive", "INVALID_STATE"),
    ],
)
async def test_a_plan_version_goes_one_way_and_no_other(owner: Caller, status: str, field: str, outcome: str) -> None:
    """Two of the six steps are allowed; a refused one leaves the version as it was."""
    plan_id = await plan_in(owner, status)
    payload = await owner.attempt(field, {"planId": plan_id}, "plan { status }")
    found = await owner.data("query($id: ID!) { node(id: $id) { ... on Plan { status } } }", id=plan_id)
    if outcome == "INVALID_STATE":
        assert (payload["plan"], codes(payload)) == (None, ["INVALID_STATE"])
        assert found["node"]["status"] == status
    else:
        assert payload["plan"]["status"] == found["node"]["status"] == outcome


@pytest.mark.parametrize("field", ["planPublish", "planArchive"])
async def test_a_plan_that_is_not_there_is_not_found(owner: Caller, stranger: Caller, field: str) -> None:
    """Another organization's plan, an unknown and a malformed id are answered alike."""
    foreign = await plan_in(stranger, "DRAFT")
    answers = [
        await owner.attempt(field, {"planId": plan_id}, "plan { id }")
        for plan_id in (foreign, "pln_01h455vb4pex5vsknk084sn02q", "xyzzy", "cus_01h455vb4pex5vsknk084sn02q")
    ]
    assert refusal(answers[0]) == ("NOT_FOUND", "planId")
    assert all(answer == answers[0] for answer in answers)
