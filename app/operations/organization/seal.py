"""organization.seal: a legal document from before it was sealed."""

from app.store.audit import record
from app.store.organization import lock_active, seal_legal_document
from app.store.organization import update_organization as store_organization
from app.store.tenancy import TenantDatabase


async def seal_organization(db: TenantDatabase) -> None:
    """Seal the organization's legal document where it is stored plain, and empty the plain column; else do nothing."""
    async with db.write(whatever_status=True) as tx:
        plain = (await lock_active(tx)).legal_document
        if plain is None:
            return
        await store_organization(tx, legal_document_sealed=await seal_legal_document(tx, plain), legal_document=None)
        await record(tx, "organization.seal", tx.organization_id)
