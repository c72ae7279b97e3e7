// The dashboard on graphql-yoga: a schema with resolvers, DataLoader, and pg with prepared statements.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import DataLoader from "dataloader";
import { createSchema, createYoga } from "graphql-yoga";
import pg from "pg";

pg.types.setTypeParser(pg.types.builtins.INT8, Number);
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });

const parts = readFileSync(new URL("../statements.sql", import.meta.url), "utf8").split(/^-- (\w+)$/m);
const SQL = Object.fromEntries(
  parts.slice(1).flatMap((name, index, all) => (index % 2 ? [] : [[name, all[index + 1].trim()]])),
);

const typeDefs = /* GraphQL */ `
  type Money { amount: Float! currency: String! }
  type Organization { legalName: String! timeZone: String! }
  type Plan { key: String! name: String! version: Int! interval: String! basePrice: Money! }
  type Subscription { status: String! quantity: Int! plan: Plan! }
  type SubscriptionConnection { nodes: [Subscription!]! }
  type LineItem { description: String! quantity: String! amount: Money! }
  type LedgerEntry { type: String! debit: Money! credit: Money! }
  type LedgerEntryConnection { nodes: [LedgerEntry!]! }
  type Invoice {
    number: String status: String! paymentState: String! total: Money!
    lineItems: [LineItem!]! ledgerEntries(first: Int = 20): LedgerEntryConnection!
  }
  type InvoiceConnection { nodes: [Invoice!]! }
  type Query {
    organization: Organization!
    balances: [Money!]!
    subscriptions(first: Int = 20): SubscriptionConnection!
    invoices(first: Int = 20): InvoiceConnection!
  }
`;

const money = (column) => (row) => ({ amount: row[column] });

const resolvers = {
  Organization: { legalName: (row) => row.legal_name, timeZone: (row) => row.time_zone },
  Plan: { basePrice: money("base_price_minor") },
  Subscription: { plan: (row, _, context) => context.plans.load(row.plan_id) },
  LineItem: { amount: money("amount_minor") },
  LedgerEntry: { debit: money("debit_minor"), credit: money("credit_minor") },
  Invoice: {
    paymentState: (row) => row.payment_state,
    total: money("total_minor"),
    lineItems: (row, _, context) => context.lines.load(row.id),
    ledgerEntries: async (row, { first }, context) => ({ nodes: (await context.entries.load(row.id)).slice(0, first) }),
  },
  Query: {
    organization: async (_root, _, context) => (await context.rows("organization"))[0],
    balances: (_root, _, context) => context.rows("balances"),
    subscriptions: async (_root, { first }, context) => ({ nodes: await context.rows("subscriptions", first) }),
    invoices: async (_root, { first }, context) => ({ nodes: await context.rows("invoices", first) }),
  },
};

function grouped(rows, keys) {
  const groups = new Map(keys.map((key) => [key, []]));
  for (const row of rows) groups.get(row.invoice_id).push(row);
  return keys.map((key) => groups.get(key));
}

function contextOf(client, organizationId) {
  const rows = async (name, ...values) =>
    (await client.query({ name, text: SQL[name], values: [organizationId, ...values] })).rows;
  return {
    rows,
    plans: new DataLoader(async (keys) => {
      const found = new Map((await rows("plans", keys)).map((row) => [row.id, row]));
      return keys.map((key) => found.get(key));
    }),
    lines: new DataLoader(async (keys) => grouped(await rows("lines", keys), keys)),
    entries: new DataLoader(async (keys) => grouped(await rows("entries", keys), keys)),
  };
}

// A transaction inside the organization around each execution.
const transaction = {
  async onExecute({ args, extendContext }) {
    const organizationId = args.contextValue.request.headers.get("x-organization-id");
    const client = await pool.connect();
    try {
      await client.query("begin isolation level repeatable read, read only");
      await client.query("select set_config('app.organization_id', $1, true)", [organizationId]);
    } catch (error) {
      client.release(error);
      throw error;
    }
    extendContext(contextOf(client, organizationId));
    return {
      async onExecuteDone() {
        await client.query("commit");
        client.release();
      },
    };
  },
};

const yoga = createYoga({
  schema: createSchema({ typeDefs, resolvers }),
  plugins: [transaction],
  logging: false,
  graphiql: false,
  landingPage: false,
});
createServer(yoga).listen(Number(process.env.PORT), "127.0.0.1");
