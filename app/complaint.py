"""From what went wrong outside to a sentence that a person can act on."""

from app.domain.errors import Refusal
from app.store import installation


class Complaint(Exception):
    """Something that only the person at the keyboard can mend; the message says how."""


def complaint(error: BaseException) -> str | None:
    """The sentence, or None where the fault is ours and a traceback is right."""
    if isinstance(error, Refusal):
        return f"{' '.join(error.path)}: {error.message}" if error.path else error.message
    if isinstance(error, Complaint):
        return str(error)
    return installation.complaint(error)
