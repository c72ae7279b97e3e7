"""Plans and what they grant."""

from collections.abc import Sequence
from operator import attrgetter
from uuid import UUID

from app.api.loaders.loader import TenantLoader
from app.store.plan import load_plan_features, load_plans
from app.store.query import grouped, in_order_of
from app.store.tables import Plan, PlanFeature
from app.store.tenancy import Transaction


class PlanLoader(TenantLoader[UUID, Plan | None]):
    """A plan version by id."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[Plan | None]:
        """The plan version of each id."""
        rows = await load_plans(tx, keys, self.context.columns("Plan", "id"))
        return in_order_of(keys, rows, lambda row: row.id)


class PlanFeaturesLoader(TenantLoader[UUID, list[PlanFeature]]):
    """The features of a plan version, in the order in which they were given."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[list[PlanFeature]]:
        """The features of each plan version."""
        return grouped(keys, await load_plan_features(tx, keys), attrgetter("plan_id"))
