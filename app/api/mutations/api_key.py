"""apiKeyCreate, apiKeyRotate, apiKeyRevoke."""

from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry

from app.api.ids import API_KEY, uuid_of
from app.api.loaders.api_key import ApiKeyLoader
from app.api.mutations.payload import Change, Payload, left_out, result
from app.api.permission import Writes
from app.api.tenancy import Context, Info
from app.api.types.api_key import ApiKey
from app.api.types.input import given
from app.operations.api_key.create import create_api_key
from app.operations.api_key.revoke import revoke_api_key
from app.operations.api_key.rotate import rotate_api_key


@strawberry.input(description="A new API key.")
class ApiKeyCreateInput(Change):
    """A new key."""

    name: str = strawberry.field(description="For people: what it is for.")
    role: str = strawberry.field(default="developer", description="The role; it holds nothing that yours does not.")
    expires_at: datetime | None = left_out("When it stops working by itself; never where it is left out.")
    trusted_documents_only: bool = strawberry.field(
        default=False, description="Whether it may send trusted documents alone; so is every key that such a key makes."
    )


@strawberry.input(description="Which API key gets another secret.")
class ApiKeyRotateInput(Change):
    """A key to rotate."""

    api_key_id: strawberry.ID = strawberry.field(description="Which API key.")
    overlap_seconds: int = strawberry.field(
        default=86_400,
        description="How long the old secret works beside the new one: 0 to 604800; 0 ends every old one now.",
    )


@strawberry.input(description="Which API key to revoke.")
class ApiKeyRevokeInput(Change):
    """A key to revoke."""

    api_key_id: strawberry.ID = strawberry.field(description="Which API key.")


@strawberry.type(description="What came of a change to an API key.")
class ApiKeyPayload(Payload):
    """A key, or why not."""

    api_key: ApiKey | None = result("The API key as it is now.")


@strawberry.type(description="What came of a new secret.")
class ApiKeySecretPayload(Payload):
    """A key with its secret, or why not."""

    api_key: ApiKey | None = result("The API key as it is now.")
    secret: str | None = result(
        "Shown this once. A replay by idempotency key answers null here, and so does a dry run."
    )


@strawberry.type
class ApiKeyMutations:
    """What can be done to API keys."""

    @strawberry.mutation(
        extensions=[Writes("api_key:create")],
        description="Makes an API key and shows its secret this once. FORBIDDEN for a role that holds more than yours.",
    )
    async def api_key_create(self, info: Info, input: ApiKeyCreateInput) -> ApiKeySecretPayload:
        """Make a key."""
        made = await create_api_key(
            info.context.db,
            name=input.name,
            role=input.role,
            expires_at=given(input.expires_at),
            held=info.context.tenant.principal.scopes,
            pepper=info.context.api_key_pepper,
            trusted_documents_only=input.trusted_documents_only or info.context.tenant.principal.trusted_documents_only,
        )
        return ApiKeySecretPayload(api_key=await _api_key(info, made.id), secret=_shown_once(info.context, made.secret))

    @strawberry.mutation(
        extensions=[Writes("api_key:rotate")],
        description="Gives an API key a new secret; the old one works until the overlap is over.",
    )
    async def api_key_rotate(self, info: Info, input: ApiKeyRotateInput) -> ApiKeySecretPayload:
        """Rotate a key."""
        api_key_id = uuid_of(API_KEY, input.api_key_id)
        secret = await rotate_api_key(
            info.context.db,
            api_key_id,
            overlap_seconds=input.overlap_seconds,
            held=info.context.tenant.principal.scopes,
            pepper=info.context.api_key_pepper,
        )
        return ApiKeySecretPayload(api_key=await _api_key(info, api_key_id), secret=_shown_once(info.context, secret))

    @strawberry.mutation(
        extensions=[Writes("api_key:revoke", whatever_status=True)],
        description="Ends an API key and all its secrets, at once and for good.",
    )
    async def api_key_revoke(self, info: Info, input: ApiKeyRevokeInput) -> ApiKeyPayload:
        """Revoke a key."""
        api_key_id = uuid_of(API_KEY, input.api_key_id)
        await revoke_api_key(info.context.db, api_key_id, held=info.context.tenant.principal.scopes)
        return ApiKeyPayload(api_key=await _api_key(info, api_key_id))


async def _api_key(info: Info, api_key_id: UUID) -> Any:
    return await info.context.loaders.get(ApiKeyLoader).load(api_key_id)


def _shown_once(context: Context, secret: str) -> str | None:
    """The secret for this answer alone, not for the one that a key of idempotency keeps; none of a dry run's."""
    if context.dry_run:
        return None
    context.shown_once.add(secret)
    return secret
