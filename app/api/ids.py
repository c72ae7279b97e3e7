"""Ids at the edge are TypeIDs: a prefix that names the type, then a UUIDv7."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from typeid import TypeID
from typeid.codecs.base32 import encode
from typeid.errors import TypeIDException

ORGANIZATION: Final = "org"
CUSTOMER: Final = "cus"
METER: Final = "mtr"
PLAN: Final = "pln"
SUBSCRIPTION: Final = "sub"
USAGE_EVENT: Final = "usg"
RESERVATION: Final = "rsv"
INVOICE: Final = "inv"
INVOICE_LINE_ITEM: Final = "ili"
LEDGER_ENTRY: Final = "led"
API_KEY: Final = "key"
MEMBER: Final = "mbr"
AUDIT_RECORD: Final = "aud"
TRUSTED_DOCUMENT: Final = "doc"

PREFIX_OF: Final[Mapping[str, str]] = {
    "organization": ORGANIZATION,
    "customer": CUSTOMER,
    "meter": METER,
    "plan": PLAN,
    "subscription": SUBSCRIPTION,
    "usage_event": USAGE_EVENT,
    "invoice": INVOICE,
    "ledger_entry": LEDGER_ENTRY,
    "reservation": RESERVATION,
    "api_key": API_KEY,
    "member": MEMBER,
    "trusted_document": TRUSTED_DOCUMENT,
}
"""By the noun of a record that can be acted on: what audit records keep, and what clients see."""

NOUN_OF: Final[Mapping[str, str]] = {prefix: noun for noun, prefix in PREFIX_OF.items()}

NOBODY: Final = UUID(int=0)
"""Stands for an id that cannot be one: it is looked up like any other and never found."""


def type_id(prefix: str, id_: UUID) -> str:
    """The id as clients see it. `prefix` is one of those above: nothing is left to be checked."""
    return f"{prefix}_{encode(id_.bytes)}"


def uuid_of(prefix: str, text: str) -> UUID:
    """The UUID of an id of that type; NOBODY where it is malformed or another type's: the answer is the same."""
    found, id_ = parsed(text)
    return id_ if found == prefix else NOBODY


def optional_uuid_of(prefix: str, text: str | None) -> UUID | None:
    """The same for an id that may be left out."""
    return None if text is None else uuid_of(prefix, text)


def parsed(text: str) -> tuple[str, UUID]:
    """The prefix and UUID of an id; ("", NOBODY) where it is malformed."""
    try:
        parts = TypeID.from_string(text)
    except TypeIDException:
        return "", NOBODY
    return parts.prefix, UUID(bytes=parts.uuid_bytes)
