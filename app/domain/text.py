"""What text may be stored: normal form C, no control characters, bounded."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from app.domain.errors import Invalid

NAME_MAX: Final = 200
LONG_MAX: Final = 2_000
METADATA_KEYS_MAX: Final = 50
METADATA_KEY_MAX: Final = 100
METADATA_VALUE_MAX: Final = 2_000

_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,99}\Z", re.ASCII)
_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}\Z")


def text(value: str, *path: str, longest: int = NAME_MAX) -> str:
    """The text in normal form C, without white space around it. Raises Invalid: empty, too long, control characters."""
    cleaned = normal(value)
    if not cleaned:
        raise Invalid("Give a text that is not empty.", *path)
    if len(cleaned) > longest:
        raise Invalid(f"Give at most {longest} characters.", *path)
    if not cleaned.isprintable() and any(
        unicodedata.category(character) == "Cc" and character not in "\n\t" for character in cleaned
    ):
        raise Invalid("Leave out control characters.", *path)
    return cleaned


def normal(value: str) -> str:
    """The text as it is stored and looked for: normal form C, without white space around it."""
    return value.strip() if value.isascii() else unicodedata.normalize("NFC", value).strip()


def optional_text(value: str | None, *path: str, longest: int = NAME_MAX) -> str | None:
    """The same for a text that may be left out."""
    return None if value is None else text(value, *path, longest=longest)


def key(value: str, *path: str) -> str:
    """A key that programs use: 1 to 100 ASCII letters, digits and `_ . : / -`, a letter or digit first."""
    if not _KEY.match(value):
        raise Invalid("Give 1 to 100 of the characters A-Z a-z 0-9 _ . : / -, beginning with a letter or digit.", *path)
    return value


def email(value: str | None, *path: str) -> str | None:
    """An e-mail address, as far as a look can tell."""
    if value is None:
        return None
    cleaned = text(value, *path, longest=254)
    if not _EMAIL.match(cleaned):
        raise Invalid("Give an e-mail address such as billing@example.com.", *path)
    return cleaned


def metadata(value: Mapping[str, str] | None, *path: str) -> dict[str, str]:
    """A flat map of at most 50 keys of 100 characters to values of 2,000."""
    given = value or {}
    if len(given) > METADATA_KEYS_MAX:
        raise Invalid(f"Give at most {METADATA_KEYS_MAX} keys.", *path)
    return {
        text(name, *path, longest=METADATA_KEY_MAX): _value(content, *path, name) for name, content in given.items()
    }


def _value(content: str, *path: str) -> str:
    return "" if content == "" else text(content, *path, longest=METADATA_VALUE_MAX)
