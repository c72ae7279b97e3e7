"""Organizations: the active one, and those that a credential may enter."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from app.domain.daily import next_daily_run
from app.domain.errors import InvalidState, LimitExceeded, NotFound
from app.store.customer import insert_customer
from app.store.ledger import open_billing_ledger
from app.store.news import tell_terms
from app.store.page import Key, Listing
from app.store.query import Columns, Query, any_of, new_id, parameter
from app.store.tables import Organization
from app.store.tables.organization import Mode, OrganizationStatus
from app.store.tenancy import Transaction, WriteTransaction, organizations
from app.store.vault.rotation import load_keys
from app.store.vault.vault import DataKey, Place, version_of

OrganizationRow = organizations.row

_ACTIVE: Final = organizations.where()

_LOCK_ACTIVE: Final = organizations.query(organizations.select().with_for_update(key_share=True))

_INSERT: Final = organizations.insert()

_WHY: Final = "the directory's function is bound to the credential's own organization and its descendants instead"

_under = sa.func.organizations_under(parameter("home", sa.Uuid)).table_valued(
    *(sa.column(column.name, column.type) for column in organizations.table.columns), name="o"
)
_enterable = sa.select(*(_under.c[column.name].label(name) for name, column in organizations.c.items()))

_ENTERABLE_BY_ID: Final = Query(
    _enterable.where(_under.c.organization_id == any_of("ids")),
    organizations.row_of,
    unfiltered_because=_WHY,
)

listing: Final = Listing(
    organizations,
    base=_enterable,
    narrows=False,
    orders={
        "created_at": [
            Key("created_at", _under.c.created_at),
            Key("organization_id", _under.c.organization_id),
        ]
    },
    filters={
        "home": sa.true() | (parameter("home", sa.Uuid).is_not(None)),
        "parent": _under.c.parent_id == parameter("parent", sa.Uuid),
        "alone": _under.c.organization_id == parameter("alone", sa.Uuid),
    },
    unfiltered_because=_WHY,
)

_LOCK_CLOCK: Final = Query(
    "select test_clock from organizations where organization_id = :organization_id for no key update"
)

_DEPTH: Final = Query(
    """
    select organization_depth(:wanted),
           exists (select from organizations_under(:root) o where o.organization_id = :wanted)
    """,
    unfiltered_because=_WHY,
)


async def load_active(tx: Transaction, columns: Columns = None) -> Organization:
    """The organization that the transaction is inside."""
    row = await tx.fetch_row(_ACTIVE.of(columns))
    if row is None:
        raise LookupError("The active organization is gone.")
    return row


async def lock_active(tx: WriteTransaction) -> Organization:
    """The same, until the transaction ends nobody else's to change."""
    row = await tx.fetch_row(_LOCK_ACTIVE)
    if row is None:
        raise LookupError("The active organization is gone.")
    return row


async def load_enterable(tx: Transaction, home: UUID, ids: list[UUID]) -> list[Organization]:
    """Those of the organizations that are `home` or its descendants."""
    return await tx.fetch(_ENTERABLE_BY_ID, home=home, ids=ids)


_DOCUMENTS: Final = Query(
    """
    select organization_id, legal_document_sealed, version, master_key_id, wrapped
    from legal_documents_under(:root, :wanted)
    """,
    unfiltered_because=_WHY,
)


def place_of_document(organization_id: UUID) -> Place:
    """Where an organization's legal document belongs."""
    return Place(organization_id, "organizations", str(organization_id), "legal_document")


async def load_legal_documents(tx: Transaction, root: UUID, ids: Sequence[UUID]) -> dict[UUID, str | None]:
    """The legal documents of organizations at or below `root`, opened; None for one that is erased.

    Raises Unreadable, NoMasterKey.
    """
    sealed: dict[UUID, bytes] = {}
    keys: dict[UUID, list[DataKey]] = {}
    for row in await tx.fetch(_DOCUMENTS, root=root, wanted=list(ids)):
        organization_id = row["organization_id"]
        sealed[organization_id] = row["legal_document_sealed"]
        key = DataKey(organization_id, row["version"], row["master_key_id"], row["wrapped"])
        keys.setdefault(organization_id, []).append(key)
    return {key: await tx.vault.open(keys[key], place_of_document(key), content) for key, content in sealed.items()}


async def seal_legal_document(tx: WriteTransaction, document: str | None) -> bytes | None:
    """The legal document of the transaction's organization as it is stored. Raises NoMasterKey."""
    return None if document is None else await tx.vault.seal(tx, place_of_document(tx.organization_id), document)


async def reseal_legal_document(tx: WriteTransaction) -> int:
    """Seal the legal document with the newest data key, where an older one did; how many that were."""
    sealed = (await lock_active(tx)).legal_document_sealed
    keys = await load_keys(tx)
    if sealed is None or version_of(sealed) == max(key.version for key in keys):
        return 0
    document = await tx.vault.open(keys, place_of_document(tx.organization_id), sealed)
    if document is None:
        return 0
    await update_organization(tx, legal_document_sealed=await seal_legal_document(tx, document))
    return 1


async def depth_under(tx: Transaction, root: UUID, organization_id: UUID) -> int:
    """How deep an organization that is `root` or below it lies, 1 for one without parent; 0 where it is neither."""
    row = await tx.fetch_row(_DEPTH, root=root, wanted=organization_id)
    return row[0] if row is not None and row[1] else 0


async def lock_clock(tx: WriteTransaction) -> datetime:
    """A TEST organization's now, until the transaction ends nobody else's to move."""
    return await tx.fetch_value(_LOCK_CLOCK)


async def update_organization(tx: WriteTransaction, **values: object) -> None:
    """Change those attributes of the active organization."""
    names = tuple(sorted(values))
    query = _UPDATES.get(names)
    if query is None:
        changed = {organizations.names[name]: parameter(name, organizations.c[name].type) for name in names}
        query = _UPDATES[names] = Query(sa.update(organizations.table).where(organizations.in_tenant).values(changed))
    await tx.execute(query, **values)
    if values.keys() & {"time_zone", "test_clock"}:
        await tell_terms(tx, None)


_UPDATES: dict[tuple[str, ...], Query[Organization]] = {}


_MOVE_BILLING_RUN: Final = Query(
    """
    update organizations set next_billing_run_at = :following
    where organization_id = :organization_id and next_billing_run_at <= :due_at
    returning true
    """
)


def first_billing_run(mode: Mode, zone: ZoneInfo, now: datetime) -> datetime | None:
    """When an organization is billed next of itself; None for TEST, which only its own clock bills."""
    return next_daily_run(now, zone) if mode is Mode.LIVE else None


async def take_billing_run(tx: WriteTransaction) -> bool:
    """Move the active organization's next run to the next day; False where it is not due or another took it."""
    following = next_daily_run(tx.now, tx.facts.zone)
    return bool(await tx.fetch_value(_MOVE_BILLING_RUN, following=following, due_at=tx.now))


_MOVE_STATUS: Final = Query(
    """
    update organizations set status = :to_status, updated_at = :now
    where organization_id = :organization_id and status = :from_status
    returning true
    """
)


async def move_status(tx: WriteTransaction, from_status: OrganizationStatus, to_status: OrganizationStatus) -> None:
    """Give the active organization another status, as the worker; whoever knows its keys hears of it.

    Raises InvalidState where it has not the status that it is to come from.
    """
    if not await tx.fetch_value(_MOVE_STATUS, from_status=from_status, to_status=to_status, now=tx.now):
        raise InvalidState(f"The organization is {tx.facts.status}, not {from_status}.")


DEPTH_MAX: Final = 8


async def check_parent(tx: WriteTransaction, root: UUID, parent_id: UUID) -> None:
    """Go on where an organization may be made below `parent_id`, which is `root` or lies under it.

    Raises NotFound, LimitExceeded.
    """
    depth = await depth_under(tx, root, parent_id)
    if depth == 0:
        raise NotFound("No organization that you may enter has this id.", "parentId")
    if depth >= DEPTH_MAX:
        raise LimitExceeded(f"Organizations nest at most {DEPTH_MAX} deep.", "parentId")


async def found(tx: WriteTransaction, **values: Any) -> None:
    """Store the organization that the transaction founds, with what every one starts with.

    That is its default customer, itself, and its billing ledger. From here on its own clock is the transaction's.
    """
    tx.now = values["test_clock"] or tx.now
    document = values.pop("legal_document")
    await tx.execute(
        _INSERT,
        legal_document=None,
        legal_document_sealed=None,
        deleted_at=None,
        created_at=tx.now,
        updated_at=tx.now,
        next_billing_run_at=first_billing_run(values["mode"], ZoneInfo(values["time_zone"]), tx.now),
        **values,
    )
    if document is not None:
        # The key belongs to the organization, which is there only now.
        await update_organization(tx, legal_document_sealed=await seal_legal_document(tx, document))
    await insert_customer(
        tx,
        id=new_id(),
        name=values["legal_name"],
        email=None,
        external_id=None,
        currency=values["default_currency"],
        address=values["address"],
        properties={},
        is_default=True,
        created_at=tx.now,
        updated_at=tx.now,
    )
    await open_billing_ledger(tx)
