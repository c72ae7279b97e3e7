"""An organization with subscriptions that began months ago, and what their invoices must come to."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from dateutil.relativedelta import relativedelta

from app.domain.period import Interval
from app.domain.plan import BillingTiming, FeatureType
from app.domain.price import PricingModel, Tier, UsagePrice
from app.domain.usage import Aggregation
from app.operations.customer.create import NewCustomer, create_customer
from app.operations.meter.create import NewMeter, create_meter
from app.operations.organization.bootstrap import bootstrap_organization
from app.operations.plan.create import NewFeature, NewPlan, create_plan
from app.operations.plan.publish import publish_plan
from app.operations.subscription.create import NewSubscription, create_subscription
from app.operations.usage.record import NewEvent, record_usage
from app.store.tables.organization import Mode
from app.store.tenancy import Database, TenantDatabase
from bench.books import Period
from bench.processes import PEPPER
from bench.scratch import ACTOR

CUSTOMERS = 25
DAYS = 20
AT_ONCE = 4
BATCH = 1_000
FEE = 2_900
EACH = 3
"""Minor units: of a seat a month, and of a call."""

PRICE = UsagePrice(PricingModel.PER_UNIT, (Tier(None, Decimal(EACH), 0),), None, None, None)
CALLS = NewFeature("calls", "API calls", FeatureType.METERED, None, "calls", Decimal(0), PRICE)
PLAN, ODD_PLAN = "pro", "odd"


@dataclass(frozen=True)
class Company:
    """A LIVE organization, its owner's key, and the total that each period of its subscriptions must come to."""

    id: UUID
    api_key: str
    wanted: dict[Period, int]

    def tenant(self, database: Database) -> TenantDatabase:
        """A handle with a transaction of its own."""
        return database.tenant(self.id, ACTOR)

    @property
    def ends(self) -> list[datetime]:
        """When periods end: each instant once, in order."""
        return sorted({end for _, _, end in self.wanted})

    def ended_by(self, instant: datetime) -> int:
        """How many periods have ended by then."""
        return sum(end <= instant for _, _, end in self.wanted)


async def found_company(database: Database, name: str) -> Company:
    """An organization without subscriptions."""
    made = await bootstrap_organization(
        database, legal_name=name, mode=Mode.LIVE, test_clock=None, pepper=PEPPER, currency="USD"
    )
    return Company(made.organization_id, made.api_key, {})


async def company_with(database: Database, name: str, size: int, *, months: int, odd: int | None = None) -> Company:
    """One with that many subscriptions that began so many months ago, over 20 days; none is billed yet.

    Each has seats and, in every period, an event of its own. The subscription numbered `odd` is on a plan of its own.
    """
    company = await found_company(database, name)
    tenant = company.tenant(database)
    await create_meter(tenant, NewMeter("calls", "Calls", None, Aggregation.SUM, None))
    for key in (PLAN, ODD_PLAN):
        plan = NewPlan(key, key, None, "USD", FEE, Interval.MONTH, 1, BillingTiming.IN_ARREARS, [CALLS])
        await publish_plan(tenant, await create_plan(tenant, plan))
    customers = [await create_customer(tenant, NewCustomer(f"Customer {number}")) for number in range(CUSTOMERS)]
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    starts = [today - relativedelta(months=months) - timedelta(days=number % DAYS) for number in range(size)]
    ids: dict[int, UUID] = {}

    async def subscribe(numbers: Sequence[int]) -> None:
        for number in numbers:
            new = NewSubscription(
                customers[number % CUSTOMERS],
                ODD_PLAN if number == odd else PLAN,
                None,
                _seats(number),
                starts[number],
                None,
                None,
            )
            ids[number] = (await create_subscription(company.tenant(database), new))[0]

    await asyncio.gather(*(subscribe(range(size)[lane::AT_ONCE]) for lane in range(AT_ONCE)))
    for month in range(months):
        events = [
            NewEvent(
                f"event-{number}-{month}",
                "bench",
                "calls",
                None,
                None,
                ids[number],
                Decimal(_calls(number, month)),
                starts[number] + relativedelta(months=month) + timedelta(days=1),
                None,
            )
            for number in range(size)
        ]
        # What came in then is told as of then: events of months ago are not taken any more.
        then = database.tenant(company.id, ACTOR, at=today - relativedelta(months=months - month) + timedelta(days=2))
        for first in range(0, size, BATCH):
            await record_usage(then, events[first : first + BATCH])
    for number, start in enumerate(starts):
        for month in range(months):
            period = ids[number], start + relativedelta(months=month), start + relativedelta(months=month + 1)
            company.wanted[period] = FEE * _seats(number) + EACH * _calls(number, month)
    return company


def _seats(number: int) -> int:
    return 1 + number % 9


def _calls(number: int, month: int) -> int:
    return 1 + (number + 5 * month) % 97
