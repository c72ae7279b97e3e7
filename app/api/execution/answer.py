"""The one entrance for queries: the document from the cache, its plan, its answer.

Where a plan fails, the snapshot stays open, so that graphql-core answers from what the plan saw; unless a statement
failed, and broke it: then nothing more can be read in it, and graphql-core opens another.
"""

from typing import Any

import strawberry
from graphql import GraphQLError
from graphql.execution.values import VariableValues
from strawberry.types import ExecutionResult

from app.api.charge import charge
from app.api.errors import ApiError
from app.api.execution.cache import DocumentCache
from app.api.execution.document import Declined, KnownDocument, KnownOperation, known
from app.api.execution.executor import SettlingExecutor
from app.api.execution.plan import Plan, plan_of
from app.api.execution.reader import reason_of
from app.api.execution.walk import Operation, answer
from app.api.tenancy import Context, Planning


class PlannedQueries:
    """Answers queries by their plans (decision 0013)."""

    def __init__(self, schema: strawberry.Schema, documents: DocumentCache) -> None:
        self._schema = schema
        self._core = schema._schema  # noqa: SLF001 - Strawberry shows no schema
        self._documents = documents

    async def answer(
        self, text: str, variables: dict[str, Any] | None, operation_name: str | None, context: Context
    ) -> ExecutionResult | None:
        """The answer of a query; None for what is no query, not valid, not planned, or failed: graphql-core answers."""
        if context.given_tenant is None:
            return None
        document = self._document(text, context)
        operation = None if document is None else document.operations.get(operation_name)
        if document is None or operation is None or not operation.is_query:
            return None
        values = operation.variables.values(variables or {})
        if values is None:
            return None
        plan = self._plan(document, operation, values, variables or {})
        if isinstance(plan, Declined):
            context.planning, context.unplanned_because = Planning.DECLINED, plan.reason
            return None
        try:
            unpaid = charge(context, operation.cost, variables)
            if unpaid is not None:
                await unpaid
        except ApiError as error:
            return ExecutionResult(data=None, errors=[GraphQLError(error.message, original_error=error)])
        return await _answer(Operation(self._schema, operation.node, operation.fragments, values, context), plan)

    def _document(self, text: str, context: Context) -> KnownDocument | None:
        """The document, parsed and validated once; None where its text is wrong: graphql-core says how."""
        document = self._documents.get(self._core, text)
        if document is None:
            try:
                document = known(self._core, text)
            except (GraphQLError, ApiError):
                return None
            if not document.errors:
                self._documents.put(self._core, text, document)
        context.document_known = document
        return document

    def _plan(
        self, document: KnownDocument, operation: KnownOperation, values: VariableValues, given: dict[str, Any]
    ) -> Plan | Declined:
        """The plan of an operation, made where its conditions choose what they did not choose before."""
        choice = operation.choice(values.coerced)
        if choice is None:
            return Declined("a condition that is no boolean")
        if choice not in operation.plans:
            self._documents.keep_plan(document, operation, choice, self._made(document, operation, given))
        return operation.plans[choice]

    def _made(self, document: KnownDocument, operation: KnownOperation, given: dict[str, Any]) -> Plan | Declined:
        name = operation.node.name.value if operation.node.name else None
        collector = SettlingExecutor.build(
            self._core, document.document, operation_name=name, raw_variable_values=given
        )
        try:
            return plan_of(collector)
        except Exception as error:  # noqa: BLE001 - graphql-core says what is wrong with it, if anything is
            return Declined(reason_of(error))


async def _answer(operation: Operation, plan: Plan) -> ExecutionResult | None:
    context: Context = operation.context
    context.enter()
    context.operation = operation.node
    context.reading = plan.columns
    try:
        (data,) = await answer(operation, plan)
    except Exception as error:  # noqa: BLE001 - graphql-core says what it was, where and with which nulls
        context.planning, context.unplanned_because = Planning.REPEATED, reason_of(error)
        context.reading = {}
        context.forget_loaded()
        # The other road denies and looks anew: each act is recorded once.
        context.acts.clear()
        await context.renew_broken()
        return None
    except BaseException:
        await context.leave()
        raise
    context.planning = Planning.PLANNED
    if not context.leave_at_once():
        await context.leave()
    return ExecutionResult(data=data, errors=None)
