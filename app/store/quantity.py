"""What usage comes to: quantities for the lines of an invoice, and series in buckets.

Spans are read from the hours that lie wholly in them, and from the events themselves at their ragged edges alone.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from app.domain.period import Period
from app.domain.usage import Aggregation, ragged_edges, whole_hours
from app.store.query import Query
from app.store.tables import Meter
from app.store.tenancy import Transaction
from app.store.usage import CARRIER
from app.store.usage_hour import CORRECTED, COUNTS, DIGEST, QUANTITY

_VALUE: Final[dict[Aggregation, str]] = {
    Aggregation.COUNT: "sum(p.events)",
    Aggregation.SUM: "coalesce(sum(p.total), 0)",
    Aggregation.MAX: "coalesce(max(p.greatest), 0)",
    Aggregation.MIN: "coalesce(min(p.least), 0)",
    Aggregation.AVG: (
        "coalesce(trim_scale(round(sum(p.total) * 1.000000000000000000000000 / nullif(sum(p.events), 0), 12)), 0)"
    ),
    Aggregation.UNIQUE: "count(distinct p.digest)",
    Aggregation.LATEST: (
        "coalesce((array_agg(p.latest order by p.latest_at desc, p.latest_id desc)"
        " filter (where p.latest is not null))[1], 0)"
    ),
}
"""How each aggregation makes one quantity of the parts `p` of a span: hours, and single events."""


class Scope(Enum):
    """Whose usage is counted: which of a cell's ids say so."""

    ORGANIZATION = ()
    CUSTOMER = ("customer_id",)
    SUBSCRIPTION = ("customer_id", "subscription_id")


class Cell(NamedTuple):
    """A span of a meter's usage, to be counted into the quantity of its place."""

    place: int
    meter_id: UUID
    customer_id: UUID | None
    subscription_id: UUID | None
    span: Period


_CELL: Final = """
    unnest(:{name}_places ::integer[], :{name}_meter_ids ::uuid[], :{name}_customer_ids ::uuid[],
           :{name}_subscription_ids ::uuid[], :{name}_starts ::timestamptz[], :{name}_ends ::timestamptz[])
      as cell (place, meter_id, customer_id, subscription_id, start, "end")
"""

_OF_NOBODY_YET: Final = CARRIER.format(
    customer_id="cell.customer_id", meter_id="e.meter_id", occurred_at="e.occurred_at"
)


def _same(row: str, scope: Scope) -> str:
    """The condition that a row, of hours or of events, is counted for a `cell`."""
    return "".join(f" and {row}.{column} = cell.{column}" for column in ("meter_id", *scope.value))


def _hours(scope: Scope, aggregation: Aggregation) -> str:
    """The whole hours of cells; of a meter that counts by value their values too."""
    hours = f"""
        select cell.place, h.events, h.total, h.least, h.greatest, h.latest, h.latest_at, h.latest_id,
               null::bytea as digest
        from {_CELL.format(name="hour")}
        join usage_hours h on h.organization_id = :organization_id{_same("h", scope)}
          and h.hour >= cell.start and h.hour < cell."end"
    """  # noqa: S608 - made of constants
    if aggregation is not Aggregation.UNIQUE:
        return hours
    return f"""
        {hours}
        union all
        select cell.place, 0, 0, null, null, null, null, null, v.digest
        from {_CELL.format(name="hour")}
        join usage_hours h on h.organization_id = :organization_id{_same("h", scope)}
          and h.hour >= cell.start and h.hour < cell."end"
        join usage_hour_values v on v.organization_id = :organization_id and v.hour_id = h.id
    """  # noqa: S608 - made of constants


def _events(name: str, scope: Scope, aggregation: Aggregation, condition: str, groups: int) -> str:
    """The events of cells, as they count since they were corrected."""
    by_value = aggregation is Aggregation.UNIQUE
    meter = "join meters m on m.organization_id = :organization_id and m.id = e.meter_id" if by_value else ""
    group = "".join(f", coalesce(e.properties ->> :group_{index}, '') as group_{index}" for index in range(groups))
    return f"""
        select cell.place, 1 as events, {QUANTITY} as total, {QUANTITY} as least, {QUANTITY} as greatest,
               {QUANTITY} as latest, e.occurred_at as latest_at, e.id as latest_id,
               {DIGEST if by_value else "null::bytea"} as digest{group}
        from {_CELL.format(name=name)}
        join usage_events e on e.organization_id = :organization_id{_same("e", scope)}
          and e.occurred_at >= cell.start and e.occurred_at < cell."end"{condition}
        {meter} {CORRECTED}
        where {COUNTS}
    """  # noqa: S608 - made of constants; all values are parameters


@cache
def _quantities(aggregation: Aggregation, scope: Scope, groups: int = 0) -> Query[Any]:
    """The place, quantity and number of events of cells, by groups.

    An event that no subscription carried when it came belongs to the first one made since that covers it. Grouped
    cells are counted by their events: hours know nothing of properties.
    """
    parts = [] if groups else [_hours(scope, aggregation)]
    parts.append(_events("edge", scope, aggregation, "", groups))
    if scope is Scope.SUBSCRIPTION:
        uncarried = f" and e.subscription_id is null and cell.subscription_id = ({_OF_NOBODY_YET})"
        parts.append(_events("span", Scope.CUSTOMER, aggregation, uncarried, groups))
    group = "".join(f", p.group_{index}" for index in range(groups))
    return Query(
        f"""
        select p.place, {_VALUE[aggregation]}, sum(p.events){group}
        from ({" union all ".join(parts)}) p
        group by p.place{group} having sum(p.events) > 0 order by p.place{group} limit :limit
        """  # noqa: S608 - made of constants; all values are parameters
    )


async def _load(
    tx: Transaction,
    cells: Sequence[Cell],
    aggregation: Aggregation,
    scope: Scope,
    group_by: Sequence[str] = (),
    limit: int | None = None,
) -> list[Any]:
    """The places that have events, in order, each with its quantity and their number, by groups."""
    hours, edges = [], []
    for cell in cells:
        whole = None if group_by else whole_hours(cell.span)
        if whole is not None:
            hours.append(cell._replace(span=whole))
        edges += [cell._replace(span=edge) for edge in ([cell.span] if group_by else ragged_edges(cell.span))]
    given = {"edge": edges} if group_by else {"hour": hours, "edge": edges}
    if scope is Scope.SUBSCRIPTION:
        given["span"] = list(cells)
    parameters: dict[str, Any] = {f"group_{index}": key for index, key in enumerate(group_by)} | {"limit": limit}
    for name, some in given.items():
        parameters |= _lists(name, some)
    return await tx.fetch(_quantities(aggregation, scope, len(group_by)), **parameters)


def _lists(name: str, cells: Iterable[Cell]) -> dict[str, list[Any]]:
    some = list(cells)
    return {
        f"{name}_places": [cell.place for cell in some],
        f"{name}_meter_ids": [cell.meter_id for cell in some],
        f"{name}_customer_ids": [cell.customer_id for cell in some],
        f"{name}_subscription_ids": [cell.subscription_id for cell in some],
        f"{name}_starts": [cell.span.start for cell in some],
        f"{name}_ends": [cell.span.end for cell in some],
    }


class Measure(NamedTuple):
    """Which usage to count: of a subscription on a meter, over spans of time."""

    subscription_id: UUID
    customer_id: UUID
    meter_id: UUID
    spans: tuple[Period, ...]


async def load_quantities(
    tx: Transaction, measures: Sequence[Measure], aggregations: Mapping[UUID, Aggregation]
) -> list[Decimal]:
    """The quantity of each measure, in their order; a statement for each aggregation among their meters."""
    quantities = [Decimal(0)] * len(measures)
    by_aggregation: dict[Aggregation, list[Cell]] = defaultdict(list)
    for place, measure in enumerate(measures):
        by_aggregation[aggregations[measure.meter_id]] += [
            Cell(place, measure.meter_id, measure.customer_id, measure.subscription_id, span) for span in measure.spans
        ]
    for aggregation, cells in by_aggregation.items():
        for place, quantity, _ in await _load(tx, cells, aggregation, Scope.SUBSCRIPTION):
            quantities[place] = Decimal(quantity)
    return quantities


@dataclass(frozen=True, slots=True)
class SeriesRequest:
    """Which usage to count: of one meter, in a period, of one subscription (with its customer) or one customer."""

    meter: Meter
    period: Period
    group_by: tuple[str, ...]
    subscription_id: UUID | None
    customer_id: UUID | None


class BucketValue(NamedTuple):
    """The place of a bucket among the series' buckets, its group, its value and how many events made it."""

    place: int
    group: tuple[str, ...]
    value: Decimal
    events: int


async def load_total(tx: Transaction, request: SeriesRequest) -> Decimal:
    """The meter's value over the whole period."""
    rows = await _load_series(tx, request, [request.period], (), None)
    return rows[0].value if rows else Decimal(0)


async def load_buckets(
    tx: Transaction, request: SeriesRequest, periods: Sequence[Period], limit: int
) -> list[BucketValue]:
    """The values of those buckets, where there are events, in order; at most `limit`.

    The calendar is ours alone: PostgreSQL's may know other zones and takes the second of two midnights.
    """
    return await _load_series(tx, request, periods, request.group_by, limit)


async def _load_series(
    tx: Transaction, request: SeriesRequest, periods: Sequence[Period], group_by: Sequence[str], limit: int | None
) -> list[BucketValue]:
    scope = Scope.ORGANIZATION if request.customer_id is None else Scope.CUSTOMER
    if request.subscription_id is not None:
        scope = Scope.SUBSCRIPTION
    cells = [
        Cell(place, request.meter.id, request.customer_id, request.subscription_id, period)
        for place, period in enumerate(periods)
    ]
    found = await _load(tx, cells, Aggregation(request.meter.aggregation), scope, group_by, limit)
    return [BucketValue(record[0], tuple(record[3:]), Decimal(record[1]), int(record[2])) for record in found]
