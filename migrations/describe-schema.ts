import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/** The schema as text, in one order: two databases with equal text have equal schemas. */
export async function describeSchema<Schema>(db: Kysely<Schema>): Promise<string> {
  const { rows } = await sql<{ line: string }>`
    select line from (
      select format('column %s.%s %s null=%s default=%s generated=%s comment=%s', c.relname, a.attname,
               format_type(a.atttypid, a.atttypmod), not a.attnotnull, coalesce(pg_get_expr(d.adbin, d.adrelid), '-'),
               concat(a.attgenerated, a.attidentity), coalesce(col_description(c.oid, a.attnum), '-')) as line
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
       where n.nspname = 'public' and c.relkind in ('r', 'p') and c.relname not like 'kysely_%'
      union all
      select format('index %s', pg_get_indexdef(i.indexrelid)) from pg_index i
        join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
       where n.nspname = 'public' and c.relname not like 'kysely_%'
      union all
      select format('constraint %s on %s: %s', o.conname, o.conrelid::regclass, pg_get_constraintdef(o.oid))
        from pg_constraint o join pg_namespace n on n.oid = o.connamespace
       where n.nspname = 'public' and o.conrelid::regclass::text not like 'kysely_%'
      union all
      select format('policy %s on %s: %s / %s to %s', polname, polrelid::regclass, pg_get_expr(polqual, polrelid),
               pg_get_expr(polwithcheck, polrelid), polroles::regrole[]) from pg_policy
      union all
      select format('row security %s %s', c.relname, c.relrowsecurity) from pg_class c
        join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'public' and c.relkind = 'r' and c.relname not like 'kysely_%'
      union all
      select format('grant %s on %s to %s', privilege_type, table_name, grantee) from information_schema.role_table_grants
       where table_schema = 'public' and grantee = 'plantao_tenant'
      union all
      select format('function %s', pg_get_functiondef(p.oid)) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
       where n.nspname = 'public' and p.proname like 'plantao_%'
      union all
      select format('text search %s', cfgname) from pg_ts_config where cfgname like 'plantao_%'
      union all
      select format('extension %s', extname) from pg_extension
    ) as lines order by line collate "C"`.execute(db);
  return rows.map((row) => row.line).join('\n');
}
