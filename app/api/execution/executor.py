"""graphql-core's executor, with mutation fields settled once they are complete."""

from collections.abc import Mapping
from inspect import isawaitable
from typing import Any

from graphql import DocumentNode, GraphQLError, GraphQLObjectType, GraphQLSchema, OperationType
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from app.api.errors import cause_of
from app.api.execution.variables import built
from app.api.idempotency import Replayed
from app.api.tenancy import Context


class SettlingExecutor(StrawberryGraphQLCoreExecutionContext):
    """Runs root mutation fields one after the other.

    Each mutation field has its own transaction. The payload is read inside it, so it shows what was written, on a dry
    run too; then the transaction is kept or undone. Where any of that fails, be it a nullable part of the payload, the
    field fails, and nothing was stored: whoever sees an error may send the same again.
    """

    @classmethod
    def build(
        cls,
        schema: GraphQLSchema,
        document: DocumentNode,
        root_value: Any = None,
        context_value: Any = None,
        raw_variable_values: dict[str, Any] | None = None,
        operation_name: str | None = None,
        *args: Any,
        **options: Any,
    ) -> Any:
        """Build it, with the batches that its variables hold read at once; errors where a variable is wrong."""
        build = super().build

        def build_with(document: DocumentNode, given: Mapping[str, Any]) -> Any:
            return build(schema, document, root_value, context_value, dict(given), operation_name, *args, **options)

        return built(build_with, schema, document, raw_variable_values or {}, operation_name)

    def execute_operation(self, serially: bool | None = None) -> Any:
        """Execute an operation; say which. The fields of a query ask at once."""
        context: Context = self.context_value
        context.operation = self.operation
        if self.operation.operation is OperationType.QUERY:
            context.share()
        return super().execute_operation(serially)

    def execute_fields_serially(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: Any,
        position_context: Any,
    ) -> Any:
        """Execute the root fields of a mutation in turn; say how many there are."""
        self.context_value.root_fields = len(grouped_field_set)
        return super().execute_fields_serially(parent_type, source_value, path, grouped_field_set, position_context)

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        field_details_list: Any,
        path: Path,
        position_context: Any,
    ) -> Any:
        """Execute a field; settle it where it is a mutation's root field."""
        result = super().execute_field(parent_type, source, field_details_list, path, position_context)
        if parent_type is self.schema.mutation_type and isawaitable(result):
            return self._settled(result, parent_type, field_details_list, path)
        return result

    async def _settled(self, result: Any, parent_type: GraphQLObjectType, field_details_list: Any, path: Path) -> Any:
        context: Context = self.context_value
        errors = self.collected_errors.errors
        before = len(errors)
        try:
            completed = await result
            if len(errors) > before:
                failed = errors[before]
                del errors[before:]
                raise failed
        except GraphQLError as error:
            await context.abandon()
            if isinstance(error.original_error, Replayed):
                context.replayed = True
                return error.original_error.answer
            context.failed(cause_of(error))
            raise
        except BaseException:
            await context.abandon()
            raise
        try:
            await context.settle(completed)
        except Exception as error:
            field = self.schema.get_field(parent_type, field_details_list[0].node.name.value)
            if field is None:
                raise
            context.failed(error)
            self.handle_field_error(error, field.type, field_details_list, path)
            return None
        return completed
