import { Kysely, PostgresDialect } from 'kysely';
import { Pool } from 'pg';
import { MIGRATIONS } from '../migrations/migrations.ts';
import { migrateUp } from '../src/platform/migrator.ts';

export async function runMigrations(databaseUrl: string): Promise<void> {
  const pool = new Pool({ connectionString: databaseUrl, max: 1, connectionTimeoutMillis: 5_000 });
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  try {
    await migrateUp(db, MIGRATIONS);
  } finally {
    await db.destroy();
  }
}
