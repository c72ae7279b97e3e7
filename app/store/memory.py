"""What a process knows of entitlements: it answers from memory as long as it hears what others change.

Two things are kept of a customer, apart because one changes seldom and the other all the time: its terms (what its
subscriptions grant) and its levels (how much of that is used and held). Both were read behind the wall, inside the
organization that asks. An answer from memory is as old as news travels; reservations never ask here.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from app.domain.entitlement import Entitlement, FeatureName, Level, LevelKey, Terms, entitled
from app.domain.errors import NotFound
from app.store.customer import find_customer
from app.store.entitlement import PlanBook, counted_of, load_feature_name, load_levels, load_moment, load_terms
from app.store.news import CHANNELS, news_from
from app.store.notification import Listener
from app.store.tenancy import TenantDatabase, Transaction
from app.store.tenant import Matter, News

CUSTOMERS_MAX: Final = 200_000
FEATURES_MAX: Final = 20_000
NEWS_MAX: Final = 50_000

ANSWERS_MAX: Final = 16
"""Of one customer: how many answers are kept as they were given."""

KEPT: Final = timedelta(minutes=10)
"""A backstop: after that long a thing is read again, whatever was heard."""

_MICROSECOND: Final = timedelta(microseconds=1)
_KEPT_NS: Final = KEPT // _MICROSECOND * 1_000
_NEVER: Final = 2**63

ONE_MORE: Final = Decimal(1)

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class _Known:
    """What is known of a customer; `opened_ns` is of the snapshot that it was read in (see `Transaction`)."""

    __slots__ = (
        "answers",
        "levels",
        "levels_opened_ns",
        "levels_until_ns",
        "terms",
        "terms_opened_ns",
        "terms_until_ns",
    )

    def __init__(self, terms: Terms, seen: "_SeenAt") -> None:
        self.terms = terms
        self.terms_opened_ns = seen.opened_ns
        self.terms_until_ns = seen.ns_of(terms.until)
        self.levels: dict[LevelKey, Level] | None = None
        self.levels_opened_ns = seen.opened_ns
        self.levels_until_ns = _NEVER
        self.answers: dict[tuple[str, Decimal], Entitlement] = {}

    def answer(self, feature: str, quantity: Decimal) -> Entitlement | None:
        """The answer for a feature of the terms, as long as the levels are known; None where they have none such."""
        answer = self.answers.get((feature, quantity))
        if answer is None and self.levels is not None:
            name = self.terms.name_of(feature)
            if name is None:
                return None
            answer = entitled(self.terms, name, quantity, self.levels)
            if len(self.answers) >= ANSWERS_MAX:
                self.answers.clear()
            self.answers[feature, quantity] = answer
        return answer

    def forget_levels(self) -> None:
        """They are not so any more."""
        self.levels = None
        self.answers.clear()

    def measured(self, levels: dict[LevelKey, Level], seen: "_SeenAt") -> None:
        """Take in how much is used and held."""
        self.answers.clear()
        self.levels = levels
        self.levels_opened_ns = seen.opened_ns
        self.levels_until_ns = min((seen.ns_of(each.until) for each in levels.values()), default=_NEVER)


class _SeenAt(NamedTuple):
    """When a snapshot shows what it shows: by the tenant's clock, and by this process's."""

    now: datetime
    is_test: bool
    opened_ns: int

    def ns_of(self, until: datetime | None) -> int:
        """When an instant comes, by this process's clock. A test clock stands still: it is news where it is moved."""
        if until is None or (self.is_test and until > self.now):
            return _NEVER
        return 0 if self.is_test else self.opened_ns + (until - self.now) // _MICROSECOND * 1_000


class EntitlementMemory:
    """Answers entitlements from memory, else from the snapshot of the request, and remembers what it read there.

    It remembers only what a snapshot shows that was opened while the listener was trusted, and after the last news of
    the same matter. Bounded: the customers that were not asked for longest go first.
    """

    def __init__(self, listener: Listener | None = None, *, customers_max: int = CUSTOMERS_MAX) -> None:
        """Without a listener it remembers nothing."""
        self._listener = listener
        self._customers_max = customers_max
        self._customers: OrderedDict[tuple[UUID, UUID], _Known] = OrderedDict()
        self._default_customers: OrderedDict[UUID, UUID] = OrderedDict()
        self._features: OrderedDict[tuple[UUID, str], tuple[FeatureName, int]] = OrderedDict()
        self._book = PlanBook()
        self._news: OrderedDict[tuple[UUID, Matter, UUID], int] = OrderedDict()
        self._forgotten_ns = 0
        self._news_of_all: OrderedDict[tuple[UUID, Matter], int] = OrderedDict()
        self._floor_ns = dict.fromkeys(Matter, 0)
        if listener is not None:
            for matter, channel in CHANNELS.items():
                listener.subscribe(channel, self._hearing(matter), self._missed)

    def __len__(self) -> int:
        """How many customers are known."""
        return len(self._customers)

    def recall(
        self, organization_id: UUID, customer_id: UUID | None, feature: str, quantity: Decimal = ONE_MORE
    ) -> Entitlement | None:
        """The answer from memory, without any wait; None where it is not known, or may not be used any more."""
        known = self._recalled(organization_id, customer_id)
        if known is None or known.levels is None:
            return None
        answer = known.answer(feature, quantity)
        if answer is not None:
            return answer
        name = self._recalled_name(organization_id, feature)
        return None if name is None else entitled(known.terms, name, quantity, known.levels)

    async def check(
        self, db: TenantDatabase, customer_id: UUID | None, feature: str, quantity: Decimal = ONE_MORE
    ) -> Entitlement:
        """Whether a customer (the default one where none is named) may use that many more of a feature now.

        Raises NotFound for a customer that does not exist, and for a feature that no plan has.
        """
        answer = self.recall(db.organization_id, customer_id, feature, quantity)
        if answer is not None:
            return answer
        tx = await db.snapshot()
        terms, levels = await self._read(tx, customer_id)
        name = terms.name_of(feature) or await self._read_name(tx, feature)
        return entitled(terms, name, quantity, levels)

    async def check_all(self, db: TenantDatabase, customer_id: UUID | None) -> list[Entitlement]:
        """The same for 1 more of every feature that a customer's subscriptions grant, as they grant them."""
        known = self._recalled(db.organization_id, customer_id)
        if known is not None and known.levels is not None:
            terms, levels = known.terms, known.levels
        else:
            terms, levels = await self._read(await db.snapshot(), customer_id)
        names = {
            feature.key: FeatureName(feature.key, feature.name, feature.type)
            for grant in reversed(terms.grants)
            for feature in grant.plan.features
        }
        keys = dict.fromkeys(feature.key for grant in terms.grants for feature in grant.plan.features)
        return [entitled(terms, names[key], ONE_MORE, levels) for key in keys]

    async def learn(self, tx: Transaction, customer_ids: Sequence[UUID]) -> None:
        """Read customers of the transaction's organization, however many at once, and remember them."""
        await self._load(tx, customer_ids)

    async def _read(self, tx: Transaction, customer_id: UUID | None) -> tuple[Terms, Mapping[LevelKey, Level]]:
        """A customer's terms and levels: what is not known, or not as the snapshot sees it, is read there."""
        known = self._terms_known(tx.organization_id, customer_id)
        if known is not None and self._is_current(tx, Matter.TERMS, known.terms.customer_id):
            _, test_clock, now = await load_moment(tx)
            levels = await load_levels(tx, counted_of([known.terms]), now)
            if self._is_current(tx, Matter.USAGE, known.terms.customer_id):
                known.measured(levels, _SeenAt(now, test_clock is not None, tx.opened_ns))
            return known.terms, levels
        customer = await find_customer(tx, customer_id)
        if customer.is_default:
            _put(self._default_customers, tx.organization_id, customer.id, self._customers_max)
        (read,) = await self._load(tx, [customer.id])
        return read.terms, read.levels or {}

    async def _load(self, tx: Transaction, customer_ids: Sequence[UUID]) -> list[_Known]:
        zone, test_clock, now = await load_moment(tx)
        seen = _SeenAt(now, test_clock is not None, tx.opened_ns)
        terms = await load_terms(tx, customer_ids, zone, now, self._book)
        levels = await load_levels(tx, counted_of(terms.values()), now)
        found = []
        for key, each in terms.items():
            known = _Known(each, seen)
            known.measured({of: levels[of] for of in (counted.key for counted in counted_of([each]))}, seen)
            if all(self._is_current(tx, matter, key) for matter in (Matter.TERMS, Matter.USAGE)):
                _put(self._customers, (tx.organization_id, key), known, self._customers_max)
            found.append(known)
        return found

    async def _read_name(self, tx: Transaction, feature: str) -> FeatureName:
        name = await load_feature_name(tx, feature)
        if name is None:
            raise NotFound("No plan has a feature with this key.", "feature")
        if self._is_current(tx, Matter.CATALOG, None):
            _put(self._features, (tx.organization_id, feature), (name, tx.opened_ns), FEATURES_MAX)
        return name

    def _recalled(self, organization_id: UUID, customer_id: UUID | None) -> _Known | None:
        """What is known of a customer, its levels only where they may be used."""
        known = self._terms_known(organization_id, customer_id)
        if known is None or known.levels is None:
            return known
        if self._is_stale(organization_id, Matter.USAGE, known.levels_opened_ns, known.levels_until_ns):
            known.forget_levels()
        return known

    def _terms_known(self, organization_id: UUID, customer_id: UUID | None) -> _Known | None:
        """What is known of a customer whose terms may be used."""
        if self._listener is None or not self._listener.trusted:
            return None
        found = customer_id or self._default_customers.get(organization_id)
        if found is None:
            return None
        key = (organization_id, found)
        known = self._customers.get(key)
        if known is None:
            return None
        if self._is_stale(organization_id, Matter.TERMS, known.terms_opened_ns, known.terms_until_ns):
            del self._customers[key]
            return None
        self._customers.move_to_end(key)
        return known

    def _recalled_name(self, organization_id: UUID, feature: str) -> FeatureName | None:
        found = self._features.get((organization_id, feature))
        if found is None:
            return None
        name, opened_ns = found
        heard_ns = self._last_of_all_ns(organization_id, Matter.CATALOG)
        return name if opened_ns > max(heard_ns, time.monotonic_ns() - _KEPT_NS) else None

    def _is_stale(self, organization_id: UUID, matter: Matter, opened_ns: int, until_ns: int) -> bool:
        """Whether what a snapshot showed of a customer may not be used any more: by its age, news, or the clock."""
        ns = time.monotonic_ns()
        return ns >= until_ns or opened_ns <= max(self._last_of_all_ns(organization_id, matter), ns - _KEPT_NS)

    def _is_current(self, tx: Transaction, matter: Matter, customer_id: UUID | None) -> bool:
        """Whether what a snapshot shows is still so: it was opened while all was heard, and nothing was since."""
        if self._listener is None or not self._listener.trusted:
            return False
        return tx.opened_ns > max(
            self._listener.trusted_since_ns,
            self._last_of_all_ns(tx.organization_id, matter),
            0 if customer_id is None else self._news.get((tx.organization_id, matter, customer_id), 0),
            self._forgotten_ns,
        )

    def heard(self, news: News) -> None:
        """Forget what is not so any more."""
        ns = time.monotonic_ns()
        if news.organization_id is None:
            self._floor_ns[news.matter] = ns
            return
        if news.customer_id is None:
            of_all = _put(self._news_of_all, (news.organization_id, news.matter), ns, NEWS_MAX)
            if of_all is not None:
                (_, matter), evicted_ns = of_all
                self._floor_ns[matter] = max(self._floor_ns[matter], evicted_ns)
            return
        evicted = _put(self._news, (news.organization_id, news.matter, news.customer_id), ns, NEWS_MAX)
        if evicted is not None:
            self._forgotten_ns = max(self._forgotten_ns, evicted[1])
        key = (news.organization_id, news.customer_id)
        if news.matter is Matter.TERMS:
            self._customers.pop(key, None)
        elif news.matter is Matter.USAGE and key in self._customers:
            self._customers[key].forget_levels()

    def _hearing(self, matter: Matter) -> Callable[[str], None]:
        def hear(payload: str) -> None:
            for news in news_from(matter, payload):
                self.heard(news)

        return hear

    def _missed(self) -> None:
        self._customers.clear()
        self._features.clear()

    def _last_of_all_ns(self, organization_id: UUID, matter: Matter) -> int:
        """When news of a matter were last heard that are of all an organization's customers."""
        floor_ns = self._floor_ns[matter]
        return max(self._news_of_all.get((organization_id, matter), 0), floor_ns) if self._news_of_all else floor_ns


def _put(kept: OrderedDict[Key, Value], key: Key, value: Value, most: int) -> tuple[Key, Value] | None:
    """Keep a value as the newest; where there are more than `most`, drop the oldest and give it."""
    kept[key] = value
    kept.move_to_end(key)
    return kept.popitem(last=False) if len(kept) > most else None


FORGETFUL: Final = EntitlementMemory()
"""Hears nothing, and so remembers nothing."""
