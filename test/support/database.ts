import { randomBytes } from 'node:crypto';
import { Kysely, PostgresDialect, sql } from 'kysely';
import { Pool } from 'pg';
import type { Schema } from '../../src/vocabulary/schema.ts';

export interface TestDatabase {
  readonly url: string;
  readonly db: Kysely<Schema>;
  close(): Promise<void>;
}

/** A database of its own, cloned from the migrated template. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const server = process.env.PLANTAO_TEST_DATABASE_URL ?? '';
  const name = `t_${randomBytes(8).toString('hex')}`;
  await onServer(server, `create database ${name} template plantao_template`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  const pool = new Pool({ connectionString: url.href, max: 5 });
  pool.on('error', () => {
    // A test that ends or freezes the server on purpose cuts idle connections too.
  });
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
  return {
    url: url.href,
    db,
    close: async () => {
      await db.destroy();
      await onServer(server, `drop database ${name} with (force)`);
    },
  };
}

/** Template copies exclude one another, so they queue on a lock of the server instead of failing. */
async function onServer(url: string, statement: string): Promise<void> {
  const db = new Kysely<unknown>({
    dialect: new PostgresDialect({ pool: new Pool({ connectionString: url, max: 1 }) }),
  });
  try {
    await db.connection().execute(async (connection) => {
      await sql`select pg_advisory_lock(4711)`.execute(connection);
      await sql.raw(statement).execute(connection);
    });
  } finally {
    await db.destroy();
  }
}
