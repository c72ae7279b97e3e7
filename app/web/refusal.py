"""What is not served here: an address that is not known, a method that it does not take. As JSON, with a code."""

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

_REFUSALS: Final = {
    404: ("NOT_FOUND", "Nothing is served here."),
    405: ("BAD_USER_INPUT", "This method is not served here."),
}
_OTHER: Final = ("BAD_USER_INPUT", "This request is not served here.")


async def not_served(request: Request, error: Exception) -> Response:
    """The answer to a request that no route takes."""
    if not isinstance(error, HTTPException):
        raise error
    code, message = _REFUSALS.get(error.status_code, _OTHER)
    extensions = {"code": code, "requestId": request.state.request_id}
    content = {"errors": [{"message": message, "extensions": extensions}]}
    return JSONResponse(content, error.status_code, error.headers, media_type="application/json; charset=utf-8")
