"""What a request may bring: a body that comes in time and fits, and JSON that is a GraphQL request."""

from typing import Any, Final, NamedTuple

import orjson
from starlette.types import Receive

from app.api.errors import BadUserInput
from app.api.execution.document import unfit
from app.domain.document import is_hash

JSON_DEPTH_MAX: Final = 32
ITEMS_MAX: Final = 2_000
"""Of a list or an object in the variables: twice what any field takes, so that the field can say so itself."""

_ESCAPED_NUL: Final = b"\\u0000"
"""How JSON writes the one character that PostgreSQL cannot hold; orjson refuses half a surrogate pair itself."""
_NESTING: Final = frozenset({dict, list})
_LENGTH_DIGITS_MAX: Final = 18


class TooLarge(BadUserInput):
    """The body is larger than the server takes."""


class TooSlow(BadUserInput):
    """The body did not come in time."""


class WrongMediaType(BadUserInput):
    """The body is not sent as application/json."""


class GraphQLRequest(NamedTuple):
    """A GraphQL request as it came in; what it asks is not looked at yet.

    Where a document is named, by `document_id` or by the `document_hash` of Apollo's clients, `query` may be empty.
    """

    query: str
    variables: dict[str, Any] | None
    operation_name: str | None
    document_id: str | None = None
    document_hash: str | None = None


async def body_of(receive: Receive, declared: str, *, bytes_max: int) -> bytes:
    """Read a body; `declared` is its Content-Length. Raises TooLarge, and stops reading at once where it is."""
    if declared.isdecimal() and len(declared) <= _LENGTH_DIGITS_MAX and int(declared) > bytes_max:
        raise TooLarge(f"The request is larger than {bytes_max:,} bytes.")
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadUserInput("The request ended early.")
        part = message.get("body", b"")
        size += len(part)
        if size > bytes_max:
            raise TooLarge(f"The request is larger than {bytes_max:,} bytes.")
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts) if len(parts) > 1 else part


def request_from_json(body: bytes) -> GraphQLRequest:
    """The GraphQL request that a JSON body holds. Raises BadUserInput."""
    return request_from_parts(_loaded(body, "The body"), fit=_ESCAPED_NUL not in body)


def request_from_parts(parts: Any, *, fit: bool = False) -> GraphQLRequest:
    """A GraphQL request of its parts, each of the right type. Raises BadUserInput.

    `fit` says that no string in it holds what PostgreSQL cannot: then they need not be looked at one by one.
    """
    if isinstance(parts, list):
        raise BadUserInput("Send one operation in a request: lists of them are not taken.")
    if not isinstance(parts, dict):
        raise BadUserInput("Send a JSON object with `query`.")
    query = parts.get("query")
    variables = parts.get("variables")
    operation_name = parts.get("operationName")
    extensions = parts.get("extensions")
    document_id = parts.get("documentId")
    if document_id is not None and not isinstance(document_id, str):
        raise BadUserInput("`documentId` must be a string.")
    if variables is not None and not isinstance(variables, dict):
        raise BadUserInput("`variables` must be an object.")
    if operation_name is not None and not isinstance(operation_name, str):
        raise BadUserInput("`operationName` must be a string.")
    if extensions is not None and not isinstance(extensions, dict):
        raise BadUserInput("`extensions` must be an object.")
    document_hash = _hash_in(extensions)
    if query is None and (document_id or document_hash):
        query = ""
    elif not isinstance(query, str) or not query.strip():
        raise BadUserInput("`query` must be a string that holds a GraphQL document.")
    _check_shape(variables)
    if not fit:
        _check_text(variables)
        _check_text(query)
        _check_text(document_id)
    return GraphQLRequest(query, variables, operation_name, document_id or None, document_hash)


def _hash_in(extensions: dict[str, Any] | None) -> str | None:
    """The hash of an automatic persisted query, as Apollo's clients send it. Raises BadUserInput."""
    persisted = (extensions or {}).get("persistedQuery")
    if persisted is None:
        return None
    found = persisted.get("sha256Hash") if isinstance(persisted, dict) and persisted.get("version") == 1 else None
    if not isinstance(found, str) or not is_hash(found):
        raise BadUserInput("`extensions.persistedQuery` must hold `version` 1 and `sha256Hash`.")
    return found


def variables_from_json(text: str) -> Any:
    """The variables that a URL parameter holds. Raises BadUserInput."""
    return _loaded(text.encode(), "`variables`")


def _loaded(content: bytes, what: str) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        if not _is_utf_8(content):
            raise BadUserInput(f"{what} is not in UTF-8.") from error
        raise BadUserInput(f"{what} is not valid JSON: {error}") from error


def _is_utf_8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _check_shape(variables: dict[str, Any] | None) -> None:
    """Refuse what is nested too deep, or too long: what coerces it would take long to say that it is too much."""
    if not variables or (len(variables) <= ITEMS_MAX and _NESTING.isdisjoint(map(type, variables.values()))):
        return
    level: list[Any] = [variables]
    for _ in range(JSON_DEPTH_MAX):
        if level and max(map(len, level)) > ITEMS_MAX:
            raise BadUserInput(f"A list or an object in `variables` has at most {ITEMS_MAX:,} items.")
        level = [
            inner
            for outer in level
            for inner in (outer.values() if outer.__class__ is dict else outer)
            if inner.__class__ in _NESTING
        ]
        if not level:
            return
    if any(level):
        raise BadUserInput(f"`variables` nest more than {JSON_DEPTH_MAX} deep.")


def _check_text(value: Any) -> None:
    """Refuse strings that PostgreSQL cannot hold; what nests too deep was refused before."""
    match value:
        case str():
            if problem := unfit(value):
                raise BadUserInput(problem)
        case dict():
            for name, content in value.items():
                _check_text(name)
                _check_text(content)
        case list():
            for content in value:
                _check_text(content)
