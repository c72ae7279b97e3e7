"""Starlette's application, with a short way to the addresses that are asked for most."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send


class Edge(Starlette):
    """Routes as Starlette does, but for `hot` addresses: they are found by their path, and say what methods they take.

    What stands around all of it is ours alone: there is no second handler of what escapes.
    """

    def __init__(self, hot: Mapping[str, ASGIApp], around: Sequence[Middleware], **options: Any) -> None:
        super().__init__(**options)
        self.hot = hot
        self._around = around

    def build_middleware_stack(self) -> ASGIApp:
        """What is around, the first outermost; then the way that a request goes."""
        hot, other = self.hot, ExceptionMiddleware(self.router, handlers=self.exception_handlers)

        def found(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            known = hot.get(scope["path"]) if scope["type"] == "http" else None
            return (other if known is None else known)(scope, receive, send)

        app: ASGIApp = found
        for middleware, positional, named in reversed(self._around):
            app = middleware(app, *positional, **named)
        return app
