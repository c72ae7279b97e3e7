"""customer.erase: a person is forgotten, and the books stay (GDPR, article 17; M42)."""

from uuid import UUID

from app.domain.erasure import personal_values
from app.domain.errors import Invalid, InvalidState, NotFound
from app.store.audit import record
from app.store.customer import lock_customer
from app.store.erasure import erase, erase_from_answers, standing_of
from app.store.tenancy import TenantDatabase

ERASED = ("name", "email", "external_id", "address", "metadata")


async def erase_customer(db: TenantDatabase, customer_id: UUID) -> None:
    """Take all that says who a customer is out of what may change; ledger, invoices and usage stay as they were.

    Raises NotFound, Invalid for the default customer, which is the organization itself, and InvalidState while there is
    anything that is not over: a subscription, a draft, an unpaid invoice, a balance. Repeating it changes nothing more.
    It is done in a suspended organization too.
    """
    async with db.write(whatever_status=True) as tx:
        customer = await lock_customer(tx, customer_id)
        if customer is None:
            raise NotFound("No customer has this id.", "customerId")
        if customer.is_default:
            raise Invalid("The default customer is the organization itself.", "customerId")
        obstacles = (await standing_of(tx, customer_id)).obstacles
        if obstacles:
            raise InvalidState(
                f"The customer has {', '.join(obstacles)}: cancel, settle or void them first.", "customerId"
            )
        await erase(tx, customer_id, customer.external_id)
        await erase_from_answers(tx, personal_values(customer))
        await record(tx, "customer.erase", customer_id, dict.fromkeys(ERASED, "***"))
