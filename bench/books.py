"""Whether the books of an organization are right: read past row security, compared with what was meant."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg

from app.operations.ledger.verify import verify_ledger_chain
from app.store.tenancy import TenantDatabase

Period = tuple[UUID, datetime, datetime]
"""A subscription, and from when until when."""

PERIODS = """
select subscription_id, period_start, period_end, total_minor from invoices
where organization_id = $1 and status <> 'VOID' and subscription_id is not null
"""
NUMBERS = "select number from invoices where organization_id = $1 and number is not null"
DRAWN = "select coalesce(sum(last_value), 0)::bigint from invoice_numbers where organization_id = $1"
UNBALANCED = """
select count(*) from (
  select from ledger_entries where organization_id = $1 group by transaction_id, currency
  having count(*) < 2 or sum(debit_minor - credit_minor) <> 0
) as found
"""
KEPT_WRONGLY = """
select count(*) from accounts a
left join lateral (
  select coalesce(sum(e.debit_minor - e.credit_minor), 0) as balance, count(*) as number
  from ledger_entries e
  where e.organization_id = $1 and e.customer_id = a.customer_id and e.currency = a.currency
) as s on true
left join lateral (
  select e.running_balance_minor as balance, e.sequence as number from ledger_entries e
  where e.organization_id = $1 and e.customer_id = a.customer_id and e.currency = a.currency
  order by e.sequence desc limit 1
) as l on true
where a.organization_id = $1 and a.balance_minor is not null
  and ((a.balance_minor, a.entry_count) is distinct from (s.balance, s.number)
       or (a.balance_minor, a.entry_count) is distinct from (coalesce(l.balance, 0), coalesce(l.number, 0)))
"""
CHARGED_WRONGLY = """
select count(*) from invoices i
full join (
  select invoice_id, count(*) as number, sum(debit_minor) as amount from ledger_entries
  where organization_id = $1 and type = 'CHARGE' and customer_id is not null group by invoice_id
) as c on c.invoice_id = i.id
where coalesce(i.organization_id, $1) = $1
  and (coalesce(c.number, 0), coalesce(c.amount, 0)) is distinct from
      (case when i.finalized_at is not null and i.total_minor > 0
            then (1::bigint, i.total_minor::numeric) else (0::bigint, 0::numeric) end)
"""
NOT_AUDITED_ONCE = """
select count(*) from invoices i
where i.organization_id = $1 and i.finalized_at is not null and 1 <> (
  select count(*) from audit_records r
  where r.organization_id = $1 and r.record_id = i.id and r.action = 'invoice.finalize')
"""
STILL_DUE = "select count(*) from subscriptions where organization_id = $1 and due_at <= now()"
STORED = """
select r.request_id, sum((c->>'after')::bigint)::bigint as invoices
from audit_records r, jsonb_array_elements(r.changes) c
where r.organization_id = $1 and r.action = 'billing.run' and c->>'field' = 'invoices' group by r.request_id
"""


@dataclass
class Findings:
    """What was looked at, and what does not hold."""

    seen: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def expect(self, what: str, found: object, wanted: object) -> None:
        """Note that something was compared, and say so where it is not what was wanted."""
        self.seen.append(what)
        if found != wanted:
            self.wrong.append(f"{what}: {found} instead of {wanted}")


async def compare_books(administrator: asyncpg.Connection, tenant: TenantDatabase, findings: Findings) -> int:
    """Numbers, transactions, balances, charges, chain, audit; how many invoices bear a number."""

    async def none_is(what: str, statement: str) -> None:
        findings.expect(what, await administrator.fetchval(statement, tenant.organization_id), 0)

    numbers = [int(row[0].rpartition("-")[2]) for row in await administrator.fetch(NUMBERS, tenant.organization_id)]
    wanted = range(1, len(numbers) + 1)
    findings.expect("numbers that are missing", sorted(set(wanted) - set(numbers)), [])
    findings.expect("numbers that are double", len(numbers) - len(set(numbers)), 0)
    drawn = await administrator.fetchval(DRAWN, tenant.organization_id)
    findings.expect("the counter stands at the last number", drawn, len(numbers))
    await none_is("transactions that do not sum to 0", UNBALANCED)
    await none_is("balances that are not their entries' sum", KEPT_WRONGLY)
    await none_is("invoices not charged exactly once", CHARGED_WRONGLY)
    await none_is("finalizations not audited exactly once", NOT_AUDITED_ONCE)
    chain = await verify_ledger_chain(tenant)
    findings.expect("the chain is intact", chain.intact, True)
    charged = await administrator.fetchval(
        "select count(*) from ledger_transactions where organization_id = $1", tenant.organization_id
    )
    findings.expect("transactions in the chain", chain.links, charged)
    return len(numbers)


async def compare_periods(
    administrator: asyncpg.Connection, tenant: TenantDatabase, wanted: dict[Period, int], findings: Findings
) -> None:
    """Each period has one live invoice with the total that was worked out beforehand; nothing is due any more."""
    rows = await administrator.fetch(PERIODS, tenant.organization_id)
    found = {(row[0], row[1], row[2]): row[3] for row in rows}
    findings.expect("live invoices", len(rows), len(wanted))
    findings.expect("periods billed, each with its total", _differing(found, wanted), 0)
    still_due = await administrator.fetchval(STILL_DUE, tenant.organization_id)
    findings.expect("subscriptions that are still due", still_due, 0)


def _differing(found: dict[Period, int], wanted: dict[Period, int]) -> int:
    return sum(found.get(period) != wanted.get(period) for period in found.keys() | wanted.keys())


async def compare_answers(
    administrator: asyncpg.Connection, tenant: TenantDatabase, answered: dict[str, int], findings: Findings
) -> None:
    """What a billing run answered to have made is what was stored under its request's id."""
    stored = dict(await administrator.fetch(STORED, tenant.organization_id))
    lost = sum(stored.get(request_id, 0) != invoices for request_id, invoices in answered.items())
    findings.expect("answers that say other than what is stored", lost, 0)
