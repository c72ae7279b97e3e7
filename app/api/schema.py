"""The schema: every noun's queries and mutations, and how documents are executed against it."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any, Final

import strawberry
from graphql.utilities.print_schema import print_schema_definition
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from app.api.execution.answer import PlannedQueries
from app.api.execution.cache import DocumentCacheExtension
from app.api.execution.executor import SettlingExecutor
from app.api.execution.inputs import prepare_batches
from app.api.mutations.api_key import ApiKeyMutations
from app.api.mutations.billing import BillingMutations
from app.api.mutations.catalog import CatalogMutations
from app.api.mutations.customer import CustomerMutations
from app.api.mutations.invoice import InvoiceMutations
from app.api.mutations.ledger import LedgerMutations
from app.api.mutations.member import MemberMutations
from app.api.mutations.organization import OrganizationMutations
from app.api.mutations.reservation import ReservationMutations
from app.api.mutations.subscription import SubscriptionMutations
from app.api.mutations.test_clock import ClockMutations
from app.api.mutations.trusted_document import TrustedDocumentMutations
from app.api.mutations.usage import UsageMutations
from app.api.queries.audit import AuditQueries
from app.api.queries.catalog import CatalogQueries
from app.api.queries.credential import CredentialQueries
from app.api.queries.customer import CustomerQueries
from app.api.queries.entitlement import EntitlementQueries
from app.api.queries.invoice import InvoiceQueries
from app.api.queries.ledger import LedgerQueries
from app.api.queries.node import NodeQueries
from app.api.queries.organization import OrganizationQueries
from app.api.queries.subscription import SubscriptionQueries
from app.api.queries.trusted_document import TrustedDocumentQueries
from app.api.queries.usage import UsageQueries
from app.api.scalars import SCALARS
from app.api.tenancy import Info, TenantExtension
from app.api.types.api_key import ApiKey
from app.api.types.audit_record import AuditRecord
from app.api.types.customer import Customer
from app.api.types.entitlement import Reservation
from app.api.types.invoice import Invoice, InvoiceLineItem
from app.api.types.ledger_entry import LedgerEntry
from app.api.types.member import Member
from app.api.types.meter import Meter
from app.api.types.organization import Organization
from app.api.types.plan import Plan
from app.api.types.subscription import Subscription
from app.api.types.trusted_document import TrustedDocument
from app.api.types.usage import UsageEvent


@strawberry.type(description="Everything here belongs to the active organization, and nothing else is reachable.")
class Query(
    CredentialQueries,
    TrustedDocumentQueries,
    LedgerQueries,
    InvoiceQueries,
    EntitlementQueries,
    UsageQueries,
    SubscriptionQueries,
    CatalogQueries,
    CustomerQueries,
    OrganizationQueries,
    AuditQueries,
    NodeQueries,
):
    """Every field that reads."""


@strawberry.type(
    description=(
        "Every field that writes. Each runs in one transaction; with dryRun it answers exactly what it would and"
        " stores nothing."
    )
)
class Mutation(
    ApiKeyMutations,
    TrustedDocumentMutations,
    MemberMutations,
    BillingMutations,
    LedgerMutations,
    InvoiceMutations,
    ReservationMutations,
    UsageMutations,
    SubscriptionMutations,
    CatalogMutations,
    CustomerMutations,
    ClockMutations,
    OrganizationMutations,
):
    """Every field that writes."""


class TallygateSchema(strawberry.Schema):
    """The schema: queries are answered by their plans where they can be; errors are logged where they are formatted."""

    @cached_property
    def _planned(self) -> PlannedQueries:
        return PlannedQueries(self, DocumentCacheExtension.cache)

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any = None,
        root_value: Any = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """Execute a document; both roads give the same answer."""
        if query and context_value.planner:
            answer = await self._planned.answer(query, variable_values, operation_name, context_value)
            if answer is not None:
                return answer
        return await super().execute(
            query,
            variable_values,
            context_value,
            root_value,
            operation_name,
            allowed_operation_types,
            operation_extensions,
        )

    def as_str(self) -> str:
        """The schema in its definition language, with its root types: `Subscription` is none of them.

        Without that, tools take the type of that name for what clients subscribe to.
        """
        text = super().as_str()
        return text if self._schema.subscription_type else f"{print_schema_definition(self._schema)}\n\n{text}"

    def process_errors(self, errors: object, execution_context: object = None) -> None:
        """Log nothing here: `errors.formatted` does, without what is ours to show."""


schema: Final = TallygateSchema(
    query=Query,
    mutation=Mutation,
    types=[
        ApiKey,
        AuditRecord,
        Customer,
        Invoice,
        InvoiceLineItem,
        LedgerEntry,
        Member,
        Meter,
        Organization,
        Plan,
        Reservation,
        Subscription,
        TrustedDocument,
        UsageEvent,
    ],
    extensions=[TenantExtension, DocumentCacheExtension],
    execution_context_class=SettlingExecutor,
    config=StrawberryConfig(info_class=Info, scalar_map=SCALARS),
)
prepare_batches(schema)
