import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/** How long each class of data lives and who may erase it is written in README.md, one row a class. */
export const DATA_CLASSES = ['identity', 'content', 'raw', 'credential', 'knowledge', 'configuration', 'operation'];

/**
 * The rules of the migrations README, asked of a real catalogue.
 *
 * @returns one sentence for each broken rule; empty when all hold.
 */
export async function brokenRules<Schema>(db: Kysely<Schema>): Promise<readonly string[]> {
  const found = await Promise.all(
    RULES.map(async (rule) => (await sql.raw<{ broken: string }>(rule).execute(db)).rows),
  );
  return found.flat().map((row) => row.broken);
}

const OURS = `n.nspname = 'public' and c.relkind = 'r' and c.relname not like 'kysely_%'`;

/** What belongs to no tenant. */
const NOT_OF_TENANTS = `('tenant', 'backup_record', 'heartbeat')`;

const RULES = [
  // Every row belongs to a tenant.
  `select c.relname || ' has no tenant_id' as broken from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where ${OURS} and c.relname not in ${NOT_OF_TENANTS} and not exists (
      select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and a.attnotnull)`,
  // Some index serves a tenant's query: tenant_id is its first column.
  `select c.relname || ' has no index that begins with tenant_id' as broken
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where ${OURS} and c.relname not in ${NOT_OF_TENANTS} and not exists (
      select from pg_index i join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
       where i.indrelid = c.oid and a.attname = 'tenant_id')`,
  `select c.relname || ' has no row-level security' as broken from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where ${OURS} and not (c.relrowsecurity and exists (select from pg_policy p where p.polrelid = c.oid))`,
  // Whatever can hold free bytes, free JSON or a person's words names its class.
  `select c.relname || '.' || a.attname || ' does not say its data class' as broken
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where ${OURS} and (format_type(a.atttypid, null) in ('bytea', 'jsonb', 'tsvector') or a.attname like '%text' and a.attname <> 'settled_by')
      and a.attname <> 'dedupe_key'
      and coalesce(col_description(c.oid, a.attnum), '') not in (${DATA_CLASSES.map((name) => `'data-class: ${name}'`).join(', ')})`,
  // A foreign key without an index makes every delete of the parent read the whole child table.
  `select format('%s: foreign key %s has no index', o.conrelid::regclass, o.conname) as broken
     from pg_constraint o join pg_namespace n on n.oid = o.connamespace
    where n.nspname = 'public' and o.contype = 'f' and not exists (
      select from pg_index i where i.indrelid = o.conrelid and i.indpred is null
         and (i.indkey::int2[])[0:array_length(o.conkey, 1) - 1] @> o.conkey)`,
  // Two tenants never meet: between tables of tenants a foreign key carries the tenant along.
  `select format('%s: foreign key %s does not carry tenant_id', o.conrelid::regclass, o.conname) as broken
     from pg_constraint o join pg_namespace n on n.oid = o.connamespace
    where n.nspname = 'public' and o.contype = 'f' and o.confrelid::regclass::text not in ('tenant', 'channel', 'message')
      and array_length(o.conkey, 1) = 1`,
  `select format('%s is not valid', indexrelid::regclass) as broken from pg_index where not indisvalid`,
];
