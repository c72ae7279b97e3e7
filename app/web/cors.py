"""Cross-origin requests: which other sites' pages may call. None, unless the settings name them."""

from collections.abc import Sequence
from typing import Final

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

_SENT: Final = [
    "authorization",
    "content-type",
    "idempotency-key",
    "x-organization-id",
    "x-request-id",
    "apollographql-client-name",
    "apollographql-client-version",
    "apollo-require-preflight",
]
_SHOWN: Final = ["x-request-id", "idempotent-replayed", "retry-after", "ratelimit", "ratelimit-policy"]
_REMEMBERED_SECONDS: Final = 600


def cors(origins: Sequence[str]) -> list[Middleware]:
    """What answers preflights and names the origin in answers; nothing where no origin may call.

    Credentials that a browser sends by itself are never allowed: a key is sent by the page, or not at all.
    """
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=_SENT,
            expose_headers=_SHOWN,
            allow_credentials=False,
            max_age=_REMEMBERED_SECONDS,
        )
    ]
