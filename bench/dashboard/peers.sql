-- What PostGraphile needs to be asked for the same: it makes a schema of the tables as they are, in which a list cannot
-- be told to leave out postings that are on no customer's statement, nor a balance be summed.

create view statement_entries with (security_invoker = true) as
select organization_id, id, invoice_id, sequence, type, debit_minor, credit_minor, created_at
from ledger_entries where customer_id is not null;

comment on view statement_entries is
  E'@primaryKey organization_id,id\n'
  '@foreignKey (organization_id, invoice_id) references invoices (organization_id, id)';

grant select on statement_entries to tallygate_app;

create function owed() returns table (currency text, amount bigint) language sql stable as $$
  select a.currency, sum(a.balance_minor)::bigint from accounts a
  where a.organization_id = current_organization() and a.code = 'RECEIVABLE' group by a.currency order by a.currency
$$;

-- GraphQL has a type named Subscription already.
comment on table subscriptions is '@name agreement';
