"""Master keys: they wrap data keys, and nothing else is ever encrypted with them."""

import base64
import binascii
import hashlib
import os
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12


class Unreadable(Exception):
    """What is stored cannot be opened: another key, another place, or it was changed. It is never opened in part."""


class KeyService(Protocol):
    """Wraps data keys under a master key that does not leave it: the keys of the settings, or a KMS.

    `context` is bound to what is wrapped: unwrapping with another fails.
    """

    @property
    def current(self) -> str:
        """The id of the master key that wraps from now on."""
        ...

    async def wrap(self, key: bytes, context: bytes) -> bytes:
        """Wrap a data key under the current master key."""
        ...

    async def unwrap(self, master_key_id: str, wrapped: bytes, context: bytes) -> bytes:
        """The data key again. Raises Unreadable."""
        ...


class MasterKeys:
    """Master keys that the settings hold: the first wraps, each of them unwraps what it wrapped."""

    def __init__(self, keys: list[bytes]) -> None:
        self._ciphers = {_id_of(key): AESGCM(key) for key in keys}
        self._current = _id_of(keys[0])

    @classmethod
    def from_text(cls, text: str) -> "MasterKeys":
        """Keys of 32 bytes in base64, one or more with white space between. Raises ValueError."""
        words = text.split()
        if not words:
            raise ValueError("give a key of 32 bytes in base64: openssl rand -base64 32")
        return cls([_key(word) for word in words])

    @property
    def current(self) -> str:
        """The id of the first key."""
        return self._current

    async def wrap(self, key: bytes, context: bytes) -> bytes:
        """AES-256-GCM under the first key, with a random nonce before it."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._ciphers[self._current].encrypt(nonce, key, context)

    async def unwrap(self, master_key_id: str, wrapped: bytes, context: bytes) -> bytes:
        """Unwrap under the key with that id. Raises Unreadable."""
        cipher = self._ciphers.get(master_key_id)
        if cipher is None:
            raise Unreadable(f"The master key {master_key_id} is not among those of TALLYGATE_MASTER_KEY.")
        try:
            return cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], context)
        except InvalidTag as error:
            raise Unreadable("A data key was changed, or moved to another organization.") from error


def _key(word: str) -> bytes:
    try:
        key = base64.b64decode(word, validate=True)
    except binascii.Error as error:
        raise ValueError("a master key is 32 bytes in base64: openssl rand -base64 32") from error
    if len(key) != KEY_BYTES:
        raise ValueError(f"a master key has {KEY_BYTES} bytes, this one {len(key)}: openssl rand -base64 32")
    return key


def _id_of(key: bytes) -> str:
    """Tells keys apart and tells nothing of them."""
    return hashlib.sha256(b"tallygate master key\n" + key).hexdigest()[:16]
