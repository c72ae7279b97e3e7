"""The least that a server of Python does: a route that reads the body and answers bytes from memory."""

import os
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ANSWER = Path(os.environ["BENCH_ANSWER"]).read_bytes()


async def answer(request: Request) -> Response:
    """Always the same."""
    await request.body()
    return Response(ANSWER, media_type="application/json")


app = Starlette(routes=[Route("/graphql", answer, methods=["POST"])])
