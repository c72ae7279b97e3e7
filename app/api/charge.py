"""What an operation is charged: its cost, within the budget of one document, out of its organization's allowance."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from app.api.allowance import Allowance, Balance
from app.api.cost import cost_of_usage
from app.api.errors import RateLimited, TooComplex
from app.api.formula import Cost

if TYPE_CHECKING:
    from app.api.tenancy import Context

POLICY: Final = "points"
"""The name of the limit in the RateLimit headers."""


@dataclass(slots=True)
class Charge:
    """What an operation asked for, and what is left. Without a limit there is no balance."""

    requested: int
    budget: int
    balance: Balance | None = None
    retry_after_seconds: int | None = None

    def shown(self) -> dict[str, Any]:
        """As `extensions.cost` bears it."""
        shown = {"requested": self.requested, "budget": self.budget}
        return shown if self.balance is None else {**shown, "available": self.balance.available}


def charge(context: "Context", cost: Cost, variables: Mapping[str, Any] | None) -> Awaitable[None] | None:
    """Charge for an operation, once: a plan that failed is not paid for again.

    None where it is paid, as most are; else what has to be waited for. Both raise TooComplex, RateLimited.
    """
    if context.till is None or context.charge is not None or context.given_tenant is None:
        return None
    charged = context.charge = context.till.asked(cost.of(variables))
    if context.till.pay_at_once(context.given_tenant.organization_id, charged):
        return None
    return context.till.pay(context.given_tenant.organization_id, charged)


class Till:
    """Charges operations. Each process has one."""

    def __init__(self, budget: int, allowance: Allowance) -> None:
        self._budget = budget
        self._allowance = allowance
        size, refill = allowance.bucket.size, allowance.bucket.refill
        self._policy = f'"{POLICY}";q={size};w={-(-size // max(refill, 1))}'
        self._policy_header = (b"ratelimit-policy", self._policy.encode())

    def asked(self, points: int) -> Charge:
        """A charge of so many points, not paid yet."""
        return Charge(points, self._budget)

    def pay_at_once(self, organization_id: UUID, charge: Charge) -> bool:
        """Pay as `pay` does, out of what is leased; False where that is not enough. Raises TooComplex."""
        if charge.requested > charge.budget:
            raise TooComplex(
                f"The operation costs {charge.requested:,} points, and {charge.budget:,} is the most:"
                " ask for smaller pages, or for less at a time."
            )
        if not self._allowance.bucket.refill:
            return True
        charge.balance = self._allowance.spend_leased(organization_id, charge.requested)
        return charge.balance is not None

    async def pay(self, organization_id: UUID, charge: Charge) -> None:
        """Take the points out of the organization's allowance. Raises RateLimited."""
        try:
            charge.balance = await self._allowance.spend(organization_id, charge.requested)
        except RateLimited as error:
            charge.balance = self._allowance.balance(organization_id)
            charge.retry_after_seconds = error.retry_after_seconds
            raise

    async def pay_for_usage(self, organization_id: UUID, events: int) -> float | None:
        """Take the points for events that come beside GraphQL, at most what one document may cost.

        None once they are taken, and where there is no limit; else in how many seconds they are there.
        """
        try:
            await self._allowance.spend(organization_id, min(cost_of_usage(events), self._budget))
        except RateLimited as error:
            return error.seconds
        return None

    def limits(self, organization_id: UUID) -> dict[str, str]:
        """The headers of who is charged beside GraphQL; none where there is no limit."""
        if not self._allowance.bucket.refill:
            return {}
        return {"ratelimit-policy": self._policy, "ratelimit": _left(self._allowance.balance(organization_id))}

    def headers(self, charge: Charge | None) -> tuple[tuple[bytes, bytes], ...]:
        """RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers); none where there is no limit."""
        if charge is None or charge.balance is None:
            return ()
        limits = self._policy_header, (b"ratelimit", _left(charge.balance).encode())
        if charge.retry_after_seconds is None:
            return limits
        return (b"retry-after", str(charge.retry_after_seconds).encode()), *limits


def _left(balance: Balance) -> str:
    return f'"{POLICY}";r={balance.available};t={balance.full_in_seconds}'
