"""How a GraphQL document is named by its content: `sha256:`, then the hash of its text in lower-case hexadecimal."""

import hashlib
import re
from typing import Final

SHA256: Final = "sha256:"

_HASH: Final = re.compile(r"[0-9a-f]{64}\Z")


def hash_of(document: str) -> str:
    """The SHA-256 of a document's text, as UTF-8, every character of it."""
    return hashlib.sha256(document.encode()).hexdigest()


def document_id_of(document: str) -> str:
    """A document's identifier (GraphQL over HTTP, appendix on persisted documents)."""
    return SHA256 + hash_of(document)


def is_hash(value: str) -> bool:
    """Whether a text has the form of such a hash."""
    return _HASH.match(value) is not None
