"""A crowd: many organizations at once over few connections, each asking for its own and for the others' records.

Each answer is looked through for the marks of all the others. Some requests are broken off on the way, so that what one
leaves on a connection would be met by the next.
"""

import asyncio
import itertools
import random
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import httpx

from tests.caller import Caller, Founder

ORGANIZATIONS = 32
BROKEN_OFF_OF_ALL = 0.05

MARK = re.compile(r"mark[0-9]{2}z")

OWN = """
query($own: ID!) {
  organization { id legalName children(first: 5) { nodes { legalName } } }
  viewer { organization { legalName } }
  customers(first: 50) { nodes { id name invoices(first: 3) { nodes { id } } } }
  meters(first: 50) { nodes { key name } }
  node(id: $own) { id ... on Customer { name } }
}
"""
FOREIGN = """
query($ids: [ID!]!, $id: ID!, $key: String!) {
  nodes(ids: $ids) { id }
  customer(id: $id) { name }
  other: customer(externalId: $key) { name }
}
"""
RENAME = """
mutation($id: ID!, $name: String!) {
  customerUpdate(input: { customerId: $id, name: $name }) { customer { id name } userErrors { code } }
}
"""


@dataclass(frozen=True)
class Member:
    """An organization in the crowd: its mark is in every text that it has."""

    caller: Caller
    mark: str
    customer: str
    external_id: str


class Seen(Exception):
    """Somebody saw what is another's, or did not see what is theirs."""


async def gathered(founder: Founder, size: int = ORGANIZATIONS) -> list[Member]:
    """Make the organizations, each with a customer and a meter."""
    return [await _member(founder, f"mark{number:02}z") for number in range(size)]


async def _member(founder: Founder, mark: str) -> Member:
    caller = await founder.organization(legal_name=f"{mark} Inc")
    created = {"name": f"{mark} Customer", "externalId": f"{mark}-external"}
    customer = (await caller.change("customerCreate", created, "customer { id }"))["customer"]["id"]
    meter = {"key": f"{mark}-calls", "name": f"{mark} Calls", "aggregation": "SUM"}
    await caller.change("meterCreate", meter, "meter { id }")
    return Member(caller, mark, customer, created["externalId"])


async def jostle(members: list[Member], http: httpx.AsyncClient, requests: int, seed: int) -> Counter[str]:
    """Let every member ask at once until that many requests were made; give what was asked. Raises Seen."""
    numbers = itertools.count()
    asked: Counter[str] = Counter()

    async def ask(member: Member, chance: random.Random) -> None:
        while next(numbers) < requests:
            kind = chance.choice(("own", "own", "foreign", "rename", "rename_foreign"))
            other = chance.choice([each for each in members if each is not member])
            if chance.random() < BROKEN_OFF_OF_ALL:
                kind = "broken off"
            await _ask(member, other, http, kind, chance)
            asked[kind] += 1

    async with asyncio.TaskGroup() as group:
        for number, member in enumerate(members):
            group.create_task(ask(member, random.Random(seed * 1_000 + number)))
    return asked


async def _ask(member: Member, other: Member, http: httpx.AsyncClient, kind: str, chance: random.Random) -> None:
    match kind:
        case "own":
            data = await _sent(member, http, OWN, own=member.customer)
            if data["organization"]["legalName"] != f"{member.mark} Inc" or data["node"]["id"] != member.customer:
                raise Seen(f"{member.mark} does not see its own: {data}")
        case "foreign":
            ids = [other.customer, other.caller.organization_id]
            data = await _sent(member, http, FOREIGN, ids=ids, id=other.customer, key=other.external_id)
            if data != {"nodes": [None, None], "customer": None, "other": None}:
                raise Seen(f"{member.mark} sees {other.mark}'s: {data}")
        case "rename":
            name = f"{member.mark} Customer {chance.randrange(1_000)}"
            data = await _sent(member, http, RENAME, id=member.customer, name=name)
            if data["customerUpdate"]["customer"] != {"id": member.customer, "name": name}:
                raise Seen(f"{member.mark} does not rename its own: {data}")
        case "rename_foreign":
            data = await _sent(member, http, RENAME, id=other.customer, name=f"{member.mark} was here")
            if data["customerUpdate"] != {"customer": None, "userErrors": [{"code": "NOT_FOUND"}]}:
                raise Seen(f"{member.mark} renames {other.mark}'s: {data}")
        case _:
            try:
                async with asyncio.timeout(chance.random() * 0.02):
                    await _sent(member, http, chance.choice((OWN, RENAME)), own=member.customer, **_renamed(member))
            except TimeoutError:
                return


def _renamed(member: Member) -> dict[str, str]:
    return {"id": member.customer, "name": f"{member.mark} Customer"}


async def _sent(member: Member, http: httpx.AsyncClient, query: str, **variables: Any) -> dict[str, Any]:
    """The data of an answer in which nobody else's mark is; an overloaded server is asked again."""
    named = {name: value for name, value in variables.items() if f"${name}:" in query}
    headers = {"authorization": f"Bearer {member.caller.api_key}"}
    while True:
        answer = await http.post("/graphql", json={"query": query, "variables": named}, headers=headers)
        content = answer.json()
        if "OVERLOADED" not in answer.text:
            break
        await asyncio.sleep(0.05)
    strange = set(MARK.findall(answer.text)) - {member.mark}
    if strange:
        raise Seen(f"{member.mark} sees others' marks: {answer.text}")
    if "errors" in content:
        raise Seen(f"{member.mark} is told of errors: {content['errors']}")
    return content["data"]
