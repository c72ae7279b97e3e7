"""The points that an organization has left, in one row that all processes lease from."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, cast
from uuid import UUID

from app.store.query import Query
from app.store.tenancy import Actor, Database

_SERVER: Final = Actor("SYSTEM", "server", "")

_LEASE: Final = Query(
    """
    with bucket as (
      select points, refilled_at, clock_timestamp() as at from allowances
      where organization_id = :organization_id for update
    ), refilled as (
      select least(:size, points + :returned + :refill * greatest(0, extract(epoch from at - refilled_at))) as points,
             at
      from bucket
    ), lease as (
      select points, at, case when points >= :needed then floor(least(points, :block)) else 0 end as granted
      from refilled
    )
    update allowances set points = lease.points - lease.granted, refilled_at = lease.at from lease
    where organization_id = :organization_id
    returning lease.granted::bigint, allowances.points
    """
)

_FILL: Final = Query(
    """
    insert into allowances (organization_id, points, refilled_at) values (:organization_id, :size, clock_timestamp())
    on conflict do nothing
    """
)


@dataclass(frozen=True, slots=True)
class Bucket:
    """How large an organization's allowance is, in points, and how many come back in a second."""

    size: int
    refill: int


@dataclass(frozen=True, slots=True)
class Lease:
    """Points that this process may spend (0 where there are not enough), and those that are left in the bucket."""

    granted: int
    left: Decimal


async def lease_points(
    database: Database, organization_id: UUID, bucket: Bucket, *, needed: int, block: int, returned: int
) -> Lease:
    """Take up to `block` points out of the bucket, `needed` at least or none; put `returned` back before.

    The bucket's row is locked meanwhile, and its clock is the database's, so that all processes share one limit.
    What a process leased and never spent, because it died, is lost until the bucket refills. Raises Unavailable.
    """
    given: dict[str, Any] = {
        "size": bucket.size,
        "refill": bucket.refill,
        "needed": needed,
        "block": block,
        "returned": returned,
    }
    async with database.tenant(organization_id, _SERVER).write(whatever_status=True) as tx:
        row = await tx.fetch_row(_LEASE, **given)
        if row is None:
            await tx.execute(_FILL, size=given["size"])
            row = await tx.fetch_row(_LEASE, **given)
    granted, left = cast("Any", row)
    return Lease(granted, left)
