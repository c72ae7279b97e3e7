"""The two roads to an answer, by a plan and by graphql-core alone, and where they part."""

import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
import strawberry
from graphql import GraphQLError

from app.api.tenancy import Context, Planning
from app.store.spelling import Spelling
from tests.api.execution.documents import Generated

ADDRESS = re.compile(rb" at 0x[0-9a-f]+")
"""Where Python shows an object that is no value: each time it is another."""


@dataclass
class Roads:
    """A schema, and how a request's context is made: with the planner, or without it."""

    schema: strawberry.Schema
    context: Callable[[bool], Awaitable[Context]]
    plannings: Counter[Planning | None] = field(default_factory=Counter)
    """How documents were answered; most are to be planned, or little would be proved."""
    needless: list[str] = field(default_factory=list)
    """Documents whose plan failed though nothing was wrong: graphql-core answered them without an error."""
    spelled: list[str] = field(default_factory=list)
    """Documents of whose answers PostgreSQL spelled rows."""

    async def difference(self, *documents: Generated) -> str | None:
        """Where the answers to documents differ, as a sentence with both; None where every byte is the same.

        A document that was asked already is left out.
        """
        for place, document in enumerate(documents):
            if document not in documents[:place]:
                found = await self._difference(document)
                if found is not None:
                    return found
        return None

    async def _difference(self, document: Generated) -> str | None:
        """What differs is compared again: now every statement is remembered, and what fails first fails first."""
        for _ in range(2):
            expected = await self.answer(document, planner=False)
            found = await self.answer(document, planner=True)
            if found == expected:
                return None
        variables = orjson.dumps(document.variables, default=repr).decode()
        return f"{document.text}\nwith {variables}\nis answered\n{shown(found)}\nfor\n{shown(expected)}"

    async def answer(self, document: Generated, *, planner: bool) -> bytes:
        """The answer, with its errors in their order, whole and unmasked, and what is recorded of it."""
        context = await self.context(planner)
        result = await self.schema.execute(
            document.text, variable_values=document.variables, context_value=context, operation_name=None
        )
        if planner:
            self.plannings[context.planning] += 1
            if any(isinstance(columns, Spelling) for columns in context.reading.values()):
                self.spelled.append(document.text)
            if context.planning is Planning.REPEATED and not result.errors:
                self.needless.append(document.text)
        content = {
            "data": result.data,
            "errors": [_whole(error) for error in result.errors or ()],
            "acts": getattr(context, "seen", []),
        }
        return ADDRESS.sub(b"", orjson.dumps(content))


def shown(answer: bytes) -> str:
    """An answer for people, where it is JSON at all; where it is the same but for its bytes, these."""
    try:
        indented = orjson.dumps(orjson.loads(answer), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError as error:
        indented = f"no JSON: {error}"
    return f"{indented}\n{answer.decode()}"


def _whole(error: GraphQLError) -> dict[str, Any]:
    return {**error.formatted, "raised": type(error.original_error).__name__}
