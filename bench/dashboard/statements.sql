-- organization
select legal_name, time_zone from organizations where organization_id = $1
-- balances
select currency, sum(balance_minor)::bigint as amount from accounts
where organization_id = $1 and code = 'RECEIVABLE' group by currency order by currency
-- subscriptions
select status, quantity, plan_id from subscriptions where organization_id = $1
order by created_at desc, id desc limit $2
-- plans
select id, key, name, version, interval, base_price_minor from plans where organization_id = $1 and id = any($2::uuid[])
-- invoices
select id, number, status, payment_state, total_minor from invoices where organization_id = $1
order by created_at desc, id desc limit $2
-- lines
select invoice_id, description, quantity, amount_minor from invoice_line_items
where organization_id = $1 and invoice_id = any($2::uuid[]) order by invoice_id, sort_order
-- entries
select invoice_id, type, debit_minor, credit_minor from ledger_entries
where organization_id = $1 and invoice_id = any($2::uuid[]) and customer_id is not null
order by invoice_id, created_at desc, sequence desc, id desc
