"""Credentials: API keys, and what an identity provider calls people.

A key is `tg_live_` or `tg_test_`, 12 characters that find it, and 256 random bits of which a hash is stored.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Final

from app.domain.errors import Invalid

PREFIX_ENTROPY_BYTES: Final = 8
SECRET_ENTROPY_BYTES: Final = 32

OVERLAP_SECONDS_MAX: Final = 7 * 24 * 60 * 60

_SUBJECT: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?\Z")

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
    keyed = _keyed(pepper).copy()
    keyed.update(secret.encode())
    return keyed.digest()


@lru_cache(maxsize=4)
def _keyed(pepper: str) -> hmac.HMAC:
    """The part of the work that is the same for all keys: a process has one pepper."""
    return hmac.new(pepper.encode(), digestmod=hashlib.sha256)


def is_same(one: bytes, other: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(one, other)


def overlap(seconds: int, *path: str) -> timedelta:
    """How long a former secret works beside the new one. Raises Invalid."""
    if not 0 <= seconds <= OVERLAP_SECONDS_MAX:
        raise Invalid(f"Give 0 to {OVERLAP_SECONDS_MAX} seconds (7 days).", *path)
    return timedelta(seconds=seconds)


def subject(value: str, *path: str) -> str:
    """What an identity provider calls somebody: 1 to 255 printable ASCII characters, case and all. Raises Invalid.

    OpenID Connect Core 1.0, section 2.
    """
    if not _SUBJECT.match(value):
        raise Invalid(
            "Give the token's `sub`: 1 to 255 printable ASCII characters, none of them a space at an end.", *path
        )
    return value


def _base32(content: bytes) -> str:
    return base64.b32encode(content).decode().rstrip("=").lower()
