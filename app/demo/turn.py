"""What becomes of subscriptions: customers leave, outgrow their plan, rest for a while, or stay."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import partial
from typing import Final

from app.demo.billing import Bill, Billing, Fate
from app.demo.price_list import BUSINESS, TEAM, Offer
from app.demo.story import Client, Contract, Deed, Story, in_turn
from app.domain.subscription import CancelTiming, ProrationBehavior
from app.operations.customer.update import update_customer
from app.operations.subscription.cancel import Cancellation, cancel_subscription
from app.operations.subscription.change_plan import PlanChange, change_subscription_plan
from app.operations.subscription.pause import pause_subscription


class Turn(Enum):
    """What a customer does one day."""

    STAYS = auto()
    LEAVES_AT_ONCE = auto()
    LEAVES_AT_PERIOD_END = auto()
    LEAVES_ON_A_DAY = auto()
    OUTGROWS_ITS_PLAN = auto()
    PAUSES = auto()
    CHANGES_MAILBOX = auto()


_TURNS: Final = (
    *[Turn.STAYS] * 15,
    Turn.LEAVES_AT_ONCE,
    Turn.LEAVES_AT_PERIOD_END,
    Turn.LEAVES_AT_PERIOD_END,
    Turn.LEAVES_ON_A_DAY,
    Turn.OUTGROWS_ITS_PLAN,
    Turn.OUTGROWS_ITS_PLAN,
    Turn.PAUSES,
    Turn.CHANGES_MAILBOX,
)
_WHY_LEAVE: Final = ("Budget was cut", "Changed to another product", "Project is over", "Merged with another company")


class Turns:
    """Who does what one day, and who does it these days."""

    def __init__(self, story: Story, billing: Billing, offers: Sequence[Offer]) -> None:
        self._story = story
        self._billing = billing
        self._offers = offers
        self._dealt: Iterator[Turn] = story.dealt(_TURNS)

    def expect(self, contract: Contract, at: datetime) -> None:
        """Let a customer do one day what it is dealt."""
        story, client = self._story, contract.client
        turn = next(self._dealt)
        then = story.office_hour_after(at, 40, 300)
        match turn:
            case _ if contract.is_paid_in_advance:
                pass
            case Turn.LEAVES_AT_ONCE:
                story.at(then, partial(self.leave, contract, CancelTiming.NOW), of=client)
            case Turn.LEAVES_AT_PERIOD_END:
                story.at(then, partial(self.leave, contract, CancelTiming.PERIOD_END), of=client)
            case Turn.LEAVES_ON_A_DAY:
                story.at(then, partial(self.leave, contract, CancelTiming.AT), of=client)
            case Turn.OUTGROWS_ITS_PLAN if contract.offer.plan.key == TEAM:
                midnight = story.midnight(story.local_day(then))
                story.at(midnight, partial(self._outgrow, contract), of=client)
            case Turn.PAUSES if contract.offer.plan.key in (TEAM, BUSINESS):
                story.at(then, partial(self._pause, contract, timedelta(days=33)), of=client)
            case Turn.CHANGES_MAILBOX:
                story.at(then, partial(self._change_mailbox, client), of=client)
            case _:
                pass

    def leave(self, contract: Contract, timing: CancelTiming, at: datetime) -> Deed | None:
        """Cancel: now, which bills the last part at once, or later, which the nightly run bills."""
        story = self._story
        if contract.ends_at is not None:
            return None
        due = self._billing.bill(contract, at) if timing is CancelTiming.NOW else None
        contract.ends_at = self._end(contract, timing, at)
        bill = Bill(contract.client)
        if timing is CancelTiming.NOW:
            contract.billed_until = at
            self._billing.collect(bill, Fate.NEVER if contract.is_free else Fate.PROMPT, at)
        else:
            self._billing.expect(contract)
        day = contract.ends_at if timing is CancelTiming.AT else None
        cancellation = Cancellation(timing, day, story.random.choice(_WHY_LEAVE), expected_version=None)

        async def cancel() -> None:
            bill.id = await cancel_subscription(story.tenant(at), contract.id, cancellation)

        return in_turn(due, cancel)

    def _end(self, contract: Contract, timing: CancelTiming, at: datetime) -> datetime:
        match timing:
            case CancelTiming.NOW:
                return at
            case CancelTiming.PERIOD_END:
                return contract.whole_period(at).end
            case CancelTiming.AT:
                return self._story.midnight(
                    self._story.local_day(at) + timedelta(days=self._story.random.randint(9, 40))
                )

    def _outgrow(self, contract: Contract, at: datetime) -> Deed | None:
        """Go on with the Business plan from that midnight on; the period's invoice has both parts."""
        if contract.ends_at is not None or contract.outgrown is not None:
            return None
        business = next(offer for offer in self._offers if offer.plan.key == BUSINESS)
        contract.outgrown = (at, business)
        change = PlanChange(BUSINESS, None, 1, ProrationBehavior.PRORATE_NEXT, expected_version=None)

        async def outgrow() -> None:
            await change_subscription_plan(self._story.tenant(at), contract.id, change)

        return outgrow

    def _pause(self, contract: Contract, length: timedelta, at: datetime) -> Deed | None:
        """Pay no base fee for a while; what is used goes on."""
        if contract.ends_at is not None or contract.is_paused_at(at):
            return None
        contract.paused_until = at + length
        return lambda: pause_subscription(
            self._story.tenant(at), contract.id, resumes_at=contract.paused_until, expected_version=None
        )

    def _change_mailbox(self, client: Client, at: datetime) -> Deed:
        mailbox = f"ap.{client.external_id or 'team'}@example.org".lower()
        return lambda: update_customer(self._story.tenant(at), client.id, {"email": mailbox})

    def give_notice(self, timing: CancelTiming, at: datetime) -> Deed | None:
        """Somebody says these days that it will leave."""
        contract = self.any_contract(staying_at=at)
        return None if contract is None else self.leave(contract, timing, at)

    def rest(self, at: datetime) -> Deed | None:
        """Somebody pauses these days."""
        contract = self._any_of(at, TEAM, BUSINESS)
        return None if contract is None else self._pause(contract, timedelta(days=45), at)

    def grow(self, at: datetime) -> Deed | None:
        """Somebody outgrows the Team plan."""
        contract = self._any_of(at, TEAM)
        return None if contract is None else self._outgrow(contract, at)

    def _any_of(self, at: datetime, *plan_keys: str) -> Contract | None:
        """A contract by chance on one of those plans, that began by then and has no end."""
        contracts = [
            contract
            for contract in self._story.contracts
            if contract.offer_at(at).plan.key in plan_keys and contract.started_at < at and contract.ends_at is None
        ]
        return self._story.random.choice(contracts) if contracts else None

    def any_contract(self, staying_at: datetime | None = None) -> Contract | None:
        """A contract by chance; one in arrears that began by then and has no end, where that is asked for."""
        contracts = [
            contract
            for contract in self._story.contracts
            if staying_at is None
            or (contract.ends_at is None and contract.started_at < staying_at and not contract.is_paid_in_advance)
        ]
        return self._story.random.choice(contracts) if contracts else None
