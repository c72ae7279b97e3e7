"""ledger.verify: whether the books are what was written into them."""

from app.store.chain import Verification, verify_ledger
from app.store.tenancy import TenantDatabase


async def verify_ledger_chain(db: TenantDatabase) -> Verification:
    """Walk the organization's whole chain of ledger transactions, in one snapshot; changes nothing."""
    async with db.read() as tx:
        return await verify_ledger(tx)
