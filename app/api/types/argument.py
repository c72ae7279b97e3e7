"""Arguments that fields of several nouns take, each described once."""

from datetime import datetime
from typing import Annotated

import strawberry

from app.api.types.enums import UsageWindow

AsOf = Annotated[
    datetime | None, strawberry.argument(description="Only what counts from then or before; all where it is left out.")
]
KnownAt = Annotated[
    datetime | None, strawberry.argument(description="Only what was recorded by then; all where it is left out.")
]
MeterKey = Annotated[str, strawberry.argument(description="The meter's key.")]
GroupBy = Annotated[
    list[str] | None,
    strawberry.argument(description="At most five event properties: a bucket for each group of their values."),
]
Window = Annotated[
    UsageWindow, strawberry.argument(description="How wide a bucket is, in the organization's time zone.")
]
