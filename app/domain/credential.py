"""API keys: `tg_live_` or `tg_test_`, 12 characters that find the key, 256 random bits of which a hash is stored."""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final

PREFIX_ENTROPY_BYTES: Final = 8
SECRET_ENTROPY_BYTES: Final = 32

_FORMAT: Final = re.compile(r"(tg_(?:live|test)_[a-z2-7]{12})_[a-z2-7]{52}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key as it is shown this once: `secret` is never stored."""

    secret: str
    prefix: str


def api_key_from_entropy(entropy: bytes, *, test: bool) -> NewApiKey:
    """Spell 40 random bytes as a key of a LIVE or a TEST organization."""
    if len(entropy) != PREFIX_ENTROPY_BYTES + SECRET_ENTROPY_BYTES:
        raise ValueError("an API key takes 40 random bytes")
    finder = _base32(entropy[:PREFIX_ENTROPY_BYTES])[:12]
    prefix = f"tg_{'test' if test else 'live'}_{finder}"
    return NewApiKey(secret=f"{prefix}_{_base32(entropy[PREFIX_ENTROPY_BYTES:])}", prefix=prefix)


def prefix_of(secret: str) -> str | None:
    """The part that finds the key; None where this is no API key."""
    match = _FORMAT.match(secret)
    return match.group(1) if match else None


def secret_hash(secret: str, pepper: str) -> bytes:
    """HMAC-SHA-256 of the key under the pepper: 32 bytes. Of 256 random bits a slow hash would buy nothing."""
    return hmac.digest(pepper.encode(), secret.encode(), hashlib.sha256)


def is_same(one: bytes, other: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(one, other)


def _base32(content: bytes) -> str:
    return base64.b32encode(content).decode().rstrip("=").lower()
