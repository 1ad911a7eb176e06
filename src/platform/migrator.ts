import type { Kysely } from 'kysely';
import { Migrator } from 'kysely/migration';
import type { Migration, MigrationInfo } from 'kysely/migration';
import { sqlState } from './database.ts';
import { monotonicMs, pause } from './time.ts';

/** Migrations by name; they run in the order of their names, all pending ones in one transaction. */
export type Migrations = Readonly<Record<string, Migration>>;

/**
 * How long a migration waits for a lock before it gives way, to be set on its connection. Whoever needs the same table waits
 * behind it all that time, and a webhook that waits longer is refused.
 */
export const MIGRATION_LOCK_TIMEOUT_MS = 300;
/** It comes back after a pause in which the traffic flows, and gives up when that has not helped for this long. */
const GIVE_WAY_MS = 1_000;
const GIVE_UP_AFTER_MS = 60_000;
const LOCK_NOT_AVAILABLE = '55P03';

/**
 * Brings the schema up to date, or does nothing. Safe to start from several processes: PostgreSQL lets one through at a
 * time.
 *
 * @returns the names of the migrations that ran.
 * @throws the database's own error; the schema is then as it was before.
 */
export async function migrateUp<Schema>(db: Kysely<Schema>, migrations: Migrations): Promise<readonly string[]> {
  return await givingWay(() => migrator(db, migrations).migrateToLatest());
}

/** Takes the last migration back. For development: what the migration made is gone, rows included. */
export async function migrateDown<Schema>(db: Kysely<Schema>, migrations: Migrations): Promise<readonly string[]> {
  return await givingWay(() => migrator(db, migrations).migrateDown());
}

export async function migrationStatus<Schema>(
  db: Kysely<Schema>,
  migrations: Migrations,
): Promise<readonly MigrationInfo[]> {
  return await migrator(db, migrations).getMigrations();
}

/** @throws when a migration has not run on this database yet: a process must not work on a schema it does not know. */
export async function assertMigrated<Schema>(db: Kysely<Schema>, migrations: Migrations): Promise<void> {
  const pending = (await migrationStatus(db, migrations)).filter((migration) => migration.executedAt === undefined);
  if (pending.length === 0) return;
  throw new Error(
    `The database lacks ${pending.length} migrations (first: ${pending[0]?.name ?? ''}). Run: npm run migrate -- up`,
  );
}

function migrator<Schema>(db: Kysely<Schema>, migrations: Migrations): Migrator {
  return new Migrator({ db, provider: { getMigrations: () => Promise.resolve({ ...migrations }) } });
}

/** Tries again while somebody else holds a lock that is needed. All of it is one transaction, so nothing is half done. */
async function givingWay(work: () => ReturnType<Migrator['migrateToLatest']>): Promise<readonly string[]> {
  const giveUpAt = monotonicMs() + GIVE_UP_AFTER_MS;
  for (;;) {
    const { error, results } = await work();
    if (error === undefined) {
      return (results ?? []).filter((result) => result.status === 'Success').map((result) => result.migrationName);
    }
    const isInUse = sqlState(error) === LOCK_NOT_AVAILABLE;
    if (!isInUse || monotonicMs() > giveUpAt) {
      throw error instanceof Error ? error : new Error('The migration failed', { cause: error });
    }
    await pause(GIVE_WAY_MS);
  }
}
