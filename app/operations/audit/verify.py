"""audit.verify: whether the audit records are what was written."""

from app.store.chain import Verification, verify_audit
from app.store.tenancy import TenantDatabase


async def verify_audit_chain(db: TenantDatabase) -> Verification:
    """Walk the organization's whole chain of audit records, in one snapshot; changes nothing."""
    async with db.read() as tx:
        return await verify_audit(tx)
