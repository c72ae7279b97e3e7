-- Organizations with 20 customers, 10 months of invoices each, 5 lines to an invoice, and what was charged and paid.
-- Run as the administrator, in one transaction. `bench.organizations` says how many. Triggers and foreign keys are not
-- run: the amounts below add up by themselves. The chain of hashes is not computed.

set local session_replication_role = replica;
set local maintenance_work_mem = '512MB';
set local work_mem = '256MB';

create function pg_temp.made(kind integer, organization integer, number bigint, at timestamptz) returns uuid
language sql immutable as $$
  -- Ordered by time, as a UUIDv7 is.
  select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(kind), 3, '0')
          || '8' || lpad(to_hex(organization), 7, '0') || lpad(to_hex(number), 8, '0'))::uuid
$$;

create temp table company on commit drop as
select number, pg_temp.made(1, number, 1, timestamptz '2025-12-01') as id, timestamptz '2025-12-01' as at
from generate_series(1, current_setting('bench.organizations')::integer) as number;

create temp table bill on commit drop as
select c.number as company, c.id as organization_id, customer, month, (month - 1) * 20 + customer as number,
       s.seats, s.period_start, s.period_end, s.period_end + customer * interval '1 second' as at,
       pg_temp.made(6, c.number, (month - 1) * 20 + customer, s.period_end + customer * interval '1 second') as id,
       pg_temp.made(2, c.number, customer, c.at) as customer_id,
       pg_temp.made(4, c.number, customer, c.at) as subscription_id,
       pg_temp.made(3, c.number, 1 + customer % 5, c.at) as plan_id,
       t.total, case when month = 10 then 100 + customer else 0 end as due
from company c, generate_series(1, 20) as customer, generate_series(1, 10) as month,
     lateral (select 1 + customer % 7 as seats,
                     timestamptz '2026-01-01' + (month - 1) * interval '1 month' as period_start,
                     timestamptz '2026-01-01' + month * interval '1 month' as period_end) as s,
     lateral (select sum(500 + (c.number * 31 + customer * 17 + month * 13 + line * 7) % 9000) as total
              from generate_series(1, 5) as line) as t;

insert into organizations (organization_id, legal_name, status, mode, region, default_currency, time_zone, metadata,
                           created_at, updated_at)
select id, 'Frobozz ' || number || ' GmbH', 'ACTIVE', 'LIVE', 'default', 'EUR', 'Europe/Berlin', '{}', at, at
from company;

insert into customers (organization_id, id, name, currency, metadata, is_default, created_at, updated_at)
select c.id, pg_temp.made(2, c.number, n, c.at), 'Customer ' || n, 'EUR', '{}', n = 1,
       c.at + n * interval '1 second', c.at
from company c, generate_series(1, 20) as n;

insert into plans (organization_id, id, key, version, name, status, currency, base_price_minor, interval,
                   interval_count, timing, trial_days, created_at)
select c.id, pg_temp.made(3, c.number, n, c.at), 'plan-' || n, 1, 'Plan ' || n, 'ACTIVE', 'EUR', 1900 + 500 * n,
       'MONTH', 1, 'IN_ARREARS', 0, c.at
from company c, generate_series(1, 5) as n;

insert into meters (organization_id, id, key, name, aggregation, created_at)
select id, pg_temp.made(8, number, 1, at), 'calls', 'Calls', 'COUNT', at from company;

insert into plan_features (organization_id, plan_id, position, key, name, type, enforcement, meter_id, included)
select c.id, pg_temp.made(3, c.number, n, c.at), 1, 'calls', 'Calls', 'QUOTA', 'HARD', pg_temp.made(8, c.number, 1, c.at),
       1000
from company c, generate_series(1, 5) as n;

insert into subscriptions (organization_id, id, customer_id, plan_id, status, quantity, started_at, billing_anchor,
                           billed_until, due_at, metadata, version, created_at, updated_at)
select organization_id, subscription_id, customer_id, plan_id, 'ACTIVE', seats, period_start, period_start,
       period_start + interval '10 months', period_start + interval '11 months', '{}', 1,
       period_start + customer * interval '1 second', period_start
from bill where month = 1;

insert into subscription_phases (organization_id, subscription_id, number, starts_at, fee_from, plan_id, quantity,
                                 billing_anchor)
select organization_id, id, 1, started_at, started_at, plan_id, quantity, billing_anchor from subscriptions;

insert into invoices (organization_id, id, customer_id, subscription_id, number, status, payment_state, reason,
                      period_start, period_end, currency, subtotal_minor, discount_minor, tax_minor, total_minor,
                      amount_paid_minor, due_at, finalized_at, paid_at, covers, metadata, version, created_at,
                      updated_at)
select organization_id, id, customer_id, subscription_id, 'INV-2026-' || lpad(number::text, 4, '0'),
       case when due = 0 then 'PAID' else 'FINALIZED' end, case when due = 0 then 'PAID' else 'PARTIALLY_PAID' end,
       'PERIOD', period_start, period_end, 'EUR', total, 0, 0, total, total - due, at + interval '14 days', at,
       case when due = 0 then at + interval '2 days' end,
       jsonb_build_object('usage', jsonb_build_array(jsonb_build_array(period_start, period_end)), 'fees', '[]'::jsonb,
                          'counts', '[]'::jsonb),
       '{}', 3, at, at
from bill order by month, company, customer;

insert into invoice_line_items (organization_id, id, invoice_id, kind, description, feature_key, quantity, unit_price,
                                amount_minor, currency, period_start, period_end, sort_order, plan_id, explanation)
select organization_id, pg_temp.made(7, company, number * 8 + line, at), id,
       case when line = 1 then 'BASE_FEE' else 'USAGE' end,
       case when line = 1 then 'Plan: base fee' else 'Feature ' || line || ': 1,458 units' end,
       case when line > 1 then 'feature-' || line end, seats, amount, amount, 'EUR', period_start, period_end, line - 1,
       plan_id, jsonb_build_object('used', '1458', 'included', '0', 'billable', '1458', 'exact', amount::text,
         'rounding', 'half away from zero, once', 'steps', jsonb_build_array(
           jsonb_build_object('description', 'Tier 1: first 1,000 units', 'quantity', '1000', 'unitPrice', '4',
                              'amount', '4000'),
           jsonb_build_object('description', 'Tier 2: next 458 units', 'quantity', '458', 'unitPrice', '3.2',
                              'amount', '1465.6')))
from bill, generate_series(1, 5) as line,
     lateral (select 500 + (company * 31 + customer * 17 + month * 13 + line * 7) % 9000 as amount) as a
order by month, company, customer, line;

insert into invoice_numbers (organization_id, year, last_value) select id, 2026, 200 from company;

insert into ledgers (organization_id, id, name, status, last_sequence, head, created_at)
select id, pg_temp.made(8, number, 1, at), 'billing', 'ACTIVE', 600, sha256('bench'), at from company;

insert into accounts (organization_id, id, ledger_id, code, currency, customer_id, balance_minor, entry_count,
                      last_posted_at, created_at)
select c.id, pg_temp.made(9, c.number, n, c.at), pg_temp.made(8, c.number, 1, c.at),
       case n when 101 then 'REVENUE' when 102 then 'CASH' else 'RECEIVABLE' end, 'EUR',
       case when n <= 20 then pg_temp.made(2, c.number, n, c.at) end, case when n <= 20 then 100 + n end,
       case when n <= 20 then 30 end,
       case when n <= 20 then timestamptz '2026-11-03' + n * interval '1 second' end, c.at
from company c, generate_series(1, 102) as n where n <= 20 or n > 100;

-- Three postings for each invoice: charged, paid in part, and the rest of it, but for what is due.
create temp table posting on commit drop as
select b.*, part, p.posted_at, p.posting, p.amount, p.running,
       pg_temp.made(10, b.company, b.number * 4 + part, posted_at) as transaction_id,
       pg_temp.made(9, b.company, b.customer, c.at) as receivable_id,
       pg_temp.made(9, b.company, case part when 1 then 101 else 102 end, c.at) as other_id
from bill b join company c on c.number = b.company, generate_series(1, 3) as part,
     lateral (select b.at + (part - 1) * interval '1 day' as posted_at,
                     case part when 1 then 'CHARGE' else 'PAYMENT' end as posting,
                     case part when 1 then total when 2 then total / 2 else total - total / 2 - due end as amount,
                     case part when 1 then total when 2 then total - total / 2 else due end as running) as p;

insert into ledger_transactions (organization_id, id, ledger_id, sequence, hash, cause, description, effective_at,
                                 created_at)
select organization_id, transaction_id, pg_temp.made(8, company, 1, timestamptz '2025-12-01'),
       (month - 1) * 60 + (part - 1) * 20 + customer, sha256('bench'), 'bench:' || number || ':' || part,
       initcap(posting), posted_at, posted_at
from posting order by month, company, part, customer;

insert into ledger_entries (organization_id, id, transaction_id, account_id, customer_id, invoice_id, sequence, type,
                            description, debit_minor, credit_minor, currency, running_balance_minor, effective_at,
                            created_at)
select organization_id, pg_temp.made(11, company, number * 8 + part * 2 + own::integer, posted_at), transaction_id,
       case when own then receivable_id else other_id end, case when own then customer_id end, id,
       case when own then (month - 1) * 3 + part end, posting, initcap(posting),
       case when own = (part = 1) then amount else 0 end, case when own = (part = 1) then 0 else amount end, 'EUR',
       case when own then running end, posted_at, posted_at
from posting, (values (true), (false)) as side (own)
order by month, company, part, customer;
