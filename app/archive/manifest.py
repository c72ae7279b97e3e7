"""What an archive says of itself."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

FORMAT: Final = "tallygate-organization"
VERSION: Final = 1
NAME: Final = "manifest.json"
BYTES_MAX: Final = 1024 * 1024


class DamagedArchive(Exception):
    """The file is no archive, or is not what was written; the message says what is wrong."""


class Member(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A table's rows: how many there are, of which columns, and the length and SHA-256 of their lines."""

    table: str
    columns: list[str]
    rows: int
    bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """The member's name in the file."""
        return f"{self.table}.jsonl"


class Manifest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Whose rows these are, as of when, of which revision of the database; `members` come in an order to restore."""

    format: str
    version: int
    revision: str
    organization_id: UUID
    exported_at: datetime
    members: list[Member]


def encoded(manifest: Manifest) -> bytes:
    """The manifest as it is written."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2)


def decoded(content: bytes) -> Manifest:
    """The manifest as it was written. Raises DamagedArchive."""
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.MsgspecError as error:
        raise DamagedArchive(f"Its manifest cannot be read: {error}.") from error
    if manifest.format != FORMAT:
        raise DamagedArchive("It is no archive of an organization.")
    if manifest.version != VERSION:
        raise DamagedArchive(f"It has the format's version {manifest.version}; this program reads {VERSION}.")
    return manifest
