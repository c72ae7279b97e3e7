"""A company's history: it opens, sets prices and changes them, and customers come, use, pay, grow and leave."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import partial
from typing import Final
from uuid import UUID

from app.demo.billing import Billing
from app.demo.names import invented_customers
from app.demo.price_list import ENTERPRISE, MEASURES, SOLO, TEAM, Offer, offers
from app.demo.story import Client, Contract, Deed, Story, in_turn
from app.demo.turn import Turns
from app.demo.usage import Usage
from app.domain.period import Interval, boundary
from app.domain.subscription import CancelTiming
from app.operations.customer.create import NewCustomer, create_customer
from app.operations.meter.create import create_meter
from app.operations.organization.update import update_organization
from app.operations.plan.archive import archive_plan
from app.operations.plan.create import create_plan
from app.operations.plan.publish import publish_plan
from app.operations.subscription.create import NewSubscription, create_subscription


class Start(Enum):
    """From when a subscription runs, and from when its periods are counted."""

    AT_ONCE = auto()
    TODAY = auto()
    TODAY_BY_CALENDAR_MONTH = auto()
    TODAY_BY_MONTH_END = auto()


_STARTS: Final = (
    *[Start.AT_ONCE] * 4,
    *[Start.TODAY] * 7,
    *[Start.TODAY_BY_CALENDAR_MONTH] * 2,
    *[Start.TODAY_BY_MONTH_END] * 3,
)
_TRY_EVERY: Final = 12
"""Of how many customers one begins with a trial; so does the last one, who is still at it."""

_SETTLING_IN: Final = timedelta(days=12)
"""In how many days after the opening those come who are with the company from the start."""


async def tell_history(story: Story, told: Callable[[float], None]) -> None:
    """Tell all of a company's history; `told` hears the share that is told."""
    history = History(story)
    story.at(story.opening, history.open, of=None)
    await story.tell(told)


class History:
    """Who comes, what they choose, and what becomes of it."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._billing = Billing(story)
        self._usage = Usage(story)
        self._offers = offers(story.company.prices)
        self._starts: Iterator[Start] = story.dealt(_STARTS)
        self._turns = Turns(story, self._billing, self._offers)
        self._project_clients: list[Client] = []
        self._plan_ids: dict[Offer, UUID] = {}

    def open(self, at: datetime) -> Deed:
        """Open the company and let all else follow."""
        story = self._story
        for offer in self._offers:
            story.at(story.moment(offer.created), partial(self._offer, offer), of=None)
        self._plan_project_clients(at)
        self._plan_arrivals()
        self._plan_office_work()
        self._usage.expect(story.local_day(at))

        async def open_office() -> None:
            await update_organization(story.tenant(at), story.particulars())
            for measure in MEASURES:
                await create_meter(story.tenant(at), measure.meter)

        return open_office

    def _plan_project_clients(self, at: datetime) -> None:
        story, company = self._story, self._story.company
        customers = invented_customers(
            company.countries,
            story.scaled(company.clients_by_project),
            id_prefix=f"{company.id_prefix}-P",
            currency=company.project_currency,
            random=story.random,
        )
        for customer in customers:
            client = Client(customer.external_id)
            self._project_clients.append(client)
            story.at(at, lambda at, customer=customer, client=client: self._create(customer, client, at), of=client)

    def _plan_arrivals(self) -> None:
        story, company = self._story, self._story.company
        count = story.scaled(company.customers, least=6)
        early = round(count * company.from_the_start)
        later = story.now - timedelta(days=1) - story.opening - _SETTLING_IN
        customers = invented_customers(
            company.countries, count, id_prefix=company.id_prefix, currency=None, random=story.random
        )
        for index, customer in enumerate(customers):
            if index < early:
                after = _SETTLING_IN * (index / early)
            else:
                after = _SETTLING_IN + later * ((index - early) / (count - early))
            arrival = story.opening + timedelta(seconds=int(after.total_seconds()))
            client = Client(customer.external_id)
            tries = index % _TRY_EVERY == 5 or index == count - 1
            story.at(story.office_hour(arrival), partial(self._arrive, customer, client, tries=tries), of=client)

    def _plan_office_work(self) -> None:
        """What happens all year long without the nightly run, and a little of everything in the last days."""
        story, company = self._story, self._story.company
        for part in _evenly(story.scaled(company.projects)):
            story.at(story.office_hour(story.moment(0.05 + 0.93 * part)), self._project, of=None)
        for part in _evenly(story.scaled(company.adjustments)):
            story.at(story.office_hour(story.moment(0.1 + 0.88 * part)), self._adjust, of=None)
        for share in (0.3, 0.7):
            story.at(story.office_hour(story.moment(share)), self._favour, of=None)
        for hours in (31, 52, 75):
            story.at(story.now - timedelta(hours=hours), partial(self._project, drafted_only=True), of=None)
        for hours, timing in ((20, CancelTiming.PERIOD_END), (44, CancelTiming.AT), (70, CancelTiming.PERIOD_END)):
            story.at(story.now - timedelta(hours=hours), partial(self._turns.give_notice, timing), of=None)
        for hours in (26, 63):
            story.at(story.now - timedelta(hours=hours), self._turns.rest, of=None)
        story.at(story.now - timedelta(hours=49), self._thank, of=None)
        for share in (0.55, 0.8, 0.94):
            story.at(story.midnight(story.local_day(story.moment(share))), self._turns.grow, of=None)

    def _offer(self, offer: Offer, at: datetime) -> Deed:
        story = self._story
        if offer.published is not None:
            story.at(story.moment(offer.published), partial(self._publish, offer), of=None)
        if offer.archived is not None:
            story.at(story.moment(offer.archived), partial(self._archive, offer), of=None)

        async def create() -> None:
            self._plan_ids[offer] = await create_plan(story.tenant(at), offer.plan)

        return create

    def _publish(self, offer: Offer, at: datetime) -> Deed:
        return lambda: publish_plan(self._story.tenant(at), self._plan_ids[offer])

    def _archive(self, offer: Offer, at: datetime) -> Deed:
        return lambda: archive_plan(self._story.tenant(at), self._plan_ids[offer])

    def _create(self, customer: NewCustomer, client: Client, at: datetime) -> Deed:
        async def create() -> None:
            client.id = await create_customer(self._story.tenant(at), customer)

        return create

    def _arrive(self, customer: NewCustomer, client: Client, at: datetime, *, tries: bool) -> Deed:
        """A customer comes, chooses a plan, and one day perhaps does something about it."""
        story = self._story
        share = story.share(at)
        open_offers = [offer for offer in self._offers if offer.is_open(share)]
        (offer,) = story.random.choices(open_offers, weights=[offer.popularity for offer in open_offers])
        if tries:
            offer = next(offer for offer in open_offers if offer.plan.key == SOLO)
        started_at, anchor = self._start(offer, at)
        contract, subscribe = self._subscribe(client, offer, at, started_at=started_at, anchor=anchor)
        self._turns.expect(contract, at)
        return in_turn(self._create(customer, client, at), subscribe)

    def _start(self, offer: Offer, at: datetime) -> tuple[datetime, datetime | None]:
        story = self._story
        day = story.local_day(at)
        if offer.plan.trial_days:
            return at, boundary(at, Interval.DAY, 1, offer.plan.trial_days, story.zone)
        start = Start.TODAY if offer.plan.key == ENTERPRISE else next(self._starts)
        match start:
            case Start.AT_ONCE:
                return at, None
            case Start.TODAY:
                return story.midnight(day), None
            case Start.TODAY_BY_CALENDAR_MONTH:
                return story.midnight(day), story.midnight(day.replace(day=1))
            case Start.TODAY_BY_MONTH_END:
                return story.midnight(day), story.midnight(day.replace(year=day.year - 1, month=12, day=31))

    def _subscribe(
        self, client: Client, offer: Offer, at: datetime, *, started_at: datetime, anchor: datetime | None
    ) -> tuple[Contract, Deed]:
        story = self._story
        seats = min(story.random.randint(*offer.seats), story.random.randint(*offer.seats))
        size = story.random.lognormvariate(-0.15, 0.5) * (seats / 14 if offer.plan.key == TEAM else 1)
        contract = Contract(client, offer, size, started_at, anchor or started_at, story.zone)
        story.contracts.append(contract)
        self._billing.expect(contract)

        async def subscribe() -> None:
            new = NewSubscription(client.id, offer.plan.key, None, seats, started_at, anchor, None)
            contract.id, _ = await create_subscription(story.tenant(at), new)

        return contract, subscribe

    def _project(self, at: datetime, *, drafted_only: bool = False) -> Deed | None:
        random = self._story.random
        clients = self._project_clients if random.random() < 0.5 else []
        clients = clients or [contract.client for contract in self._story.contracts]
        if not clients:
            return None
        return self._billing.bill_by_hand(random.choice(clients), at, drafted_only=drafted_only)

    def _adjust(self, at: datetime) -> Deed | None:
        contract = self._turns.any_contract()
        return None if contract is None else self._billing.adjust(contract.client, at)

    def _thank(self, at: datetime) -> Deed | None:
        contract = self._turns.any_contract(staying_at=at)
        return None if contract is None else self._billing.thank(contract.client, at)

    def _favour(self, at: datetime) -> Deed | None:
        contract = self._turns.any_contract()
        return None if contract is None else self._billing.bill_for_nothing(contract.client, at)


def _evenly(count: int) -> Iterator[float]:
    """The middles of that many equal parts of 1."""
    return ((index + 0.5) / count for index in range(count))
