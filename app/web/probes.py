"""/livez: the process runs. /readyz: it can serve, and its database answers."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app.store.system import SystemDatabase


def probe_routes(system: SystemDatabase) -> list[Route]:
    """The two probes."""

    async def livez(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        if await system.is_ready():
            return PlainTextResponse("ok\n")
        return PlainTextResponse("the database does not answer\n", HTTPStatus.SERVICE_UNAVAILABLE)

    return [Route("/livez", livez), Route("/readyz", readyz)]
