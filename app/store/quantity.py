"""What usage comes to: quantities for the lines of an invoice, and series in buckets."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

from app.domain.period import Period
from app.domain.usage import Aggregation
from app.store.query import Query
from app.store.tables import Meter
from app.store.tenancy import Transaction
from app.store.usage import CARRIER

_VALUE: Final[dict[Aggregation, str]] = {
    Aggregation.COUNT: "count(*)",
    Aggregation.SUM: "coalesce(sum(e.quantity), 0)",
    Aggregation.MAX: "coalesce(max(e.quantity), 0)",
    Aggregation.MIN: "coalesce(min(e.quantity), 0)",
    Aggregation.AVG: "coalesce(trim_scale(round(sum(e.quantity) * 1.000000000000000000000000 / count(*), 12)), 0)",
    Aggregation.UNIQUE: "count(distinct e.properties ->> m.property)",
    Aggregation.LATEST: "coalesce((array_agg(e.quantity order by e.occurred_at desc, e.id desc))[1], 0)",
}
"""How each aggregation makes one quantity of events `e` of a meter `m`; of none it is 0."""


def _of_subscription(subscription_id: str, customer_id: str) -> str:
    """The events of a subscription: sent for it, or matched to it.

    An event that no subscription carried when it came belongs to the first one made since that covers it.
    """
    carrier = CARRIER.format(customer_id=customer_id, meter_id="e.meter_id", occurred_at="e.occurred_at")
    return f"""
        e.customer_id = {customer_id}
        and (e.subscription_id = {subscription_id}
             or (e.subscription_id is null and {subscription_id} = ({carrier})))
    """


_OF_SUBSCRIPTION: Final = _of_subscription(":subscription_id", ":customer_id")

_QUANTITIES: Final = {
    aggregation: Query(
        f"""
        select s.place, {value}
        from unnest(:places ::integer[], :meter_ids ::uuid[], :subscription_ids ::uuid[], :customer_ids ::uuid[],
                    :starts ::timestamptz[], :ends ::timestamptz[])
             as s (place, meter_id, subscription_id, customer_id, start, "end")
        join meters m on m.organization_id = :organization_id and m.id = s.meter_id
        join usage_events e on e.organization_id = :organization_id and e.meter_id = s.meter_id
          and e.occurred_at >= s.start and e.occurred_at < s."end"
          and {_of_subscription("s.subscription_id", "s.customer_id")}
        where m.organization_id = :organization_id
        group by s.place, m.property
        """  # noqa: S608 - made of constants
    )
    for aggregation, value in _VALUE.items()
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
    by_aggregation: dict[Aggregation, list[int]] = defaultdict(list)
    for place, measure in enumerate(measures):
        by_aggregation[aggregations[measure.meter_id]].append(place)
    for aggregation, places in by_aggregation.items():
        parts = [(place, measures[place], span) for place in places for span in measures[place].spans]
        found = await tx.fetch(
            _QUANTITIES[aggregation],
            places=[place for place, _, _ in parts],
            meter_ids=[measure.meter_id for _, measure, _ in parts],
            subscription_ids=[measure.subscription_id for _, measure, _ in parts],
            customer_ids=[measure.customer_id for _, measure, _ in parts],
            starts=[span.start for _, _, span in parts],
            ends=[span.end for _, _, span in parts],
        )
        for place, quantity in found:
            quantities[place] = Decimal(quantity)
    return quantities


@dataclass(frozen=True, slots=True)
class SeriesRequest:
    """Which usage to count: of one meter, in a period, of one subscription or customer where they are given."""

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
    rows = await tx.fetch(_series_query(request, windowed=False, grouped=0), **_series_parameters(request))
    return Decimal(rows[0][1]) if rows else Decimal(0)


async def load_buckets(
    tx: Transaction, request: SeriesRequest, starts: Sequence[datetime], limit: int
) -> list[BucketValue]:
    """The values of the buckets that begin at `starts`, where there are events, in order; at most `limit`.

    The first begins with the period. The calendar is ours alone: PostgreSQL's may know other zones and takes the second
    of two midnights.
    """
    query = _series_query(request, windowed=True, grouped=len(request.group_by), limited=True)
    parameters = _series_parameters(request) | {"limit": limit, "starts": list(starts)}
    parameters |= {f"group_{index}": key for index, key in enumerate(request.group_by)}
    return [
        BucketValue(record[0] - 1, tuple(record[3:]), Decimal(record[1]), record[2])
        for record in await tx.fetch(query, **parameters)
    ]


_SERIES: dict[tuple[Any, ...], Query[Any]] = {}


def _series_query(request: SeriesRequest, *, windowed: bool, grouped: int, limited: bool = False) -> Query[Any]:
    by_subscription, by_customer = request.subscription_id is not None, request.customer_id is not None
    shape = (request.meter.aggregation, windowed, grouped, limited, by_subscription, by_customer)
    query = _SERIES.get(shape)
    if query is None:
        place = "width_bucket(e.occurred_at, :starts ::timestamptz[])" if windowed else "1"
        groups = "".join(f", coalesce(e.properties ->> :group_{index}, '')" for index in range(grouped))
        conditions = "".join(
            condition
            for condition, wanted in [
                (f" and {_OF_SUBSCRIPTION}", by_subscription),
                (" and e.customer_id = :customer_id", by_customer and not by_subscription),
            ]
            if wanted
        )
        keys = ", ".join(str(number) for number in (1, *range(4, 4 + grouped)))
        query = _SERIES[shape] = Query(
            f"""
            select {place}, {_VALUE[Aggregation(request.meter.aggregation)]}, count(*){groups}
            from usage_events e
            join meters m on m.organization_id = e.organization_id and m.id = e.meter_id
            where e.organization_id = :organization_id and e.meter_id = :meter_id
              and e.occurred_at >= :period_start and e.occurred_at < :period_end{conditions}
            group by {keys} order by {keys} {"limit :limit" if limited else ""}
            """  # noqa: S608 - made of constants; all values are parameters
        )
    return query


def _series_parameters(request: SeriesRequest) -> dict[str, Any]:
    return {
        "meter_id": request.meter.id,
        "period_start": request.period.start,
        "period_end": request.period.end,
        "subscription_id": request.subscription_id,
        "customer_id": request.customer_id,
    }
