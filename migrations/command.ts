import { randomBytes } from 'node:crypto';
import { Kysely, PostgresDialect, sql } from 'kysely';
import { Pool } from 'pg';
import { loadConfigOrExit, MigrationEnvironment } from '../src/config.ts';
import { EX_USAGE, runCommand } from '../src/platform/command.ts';
import type { Secret } from '../src/platform/secret.ts';
import { migrateDown, migrateUp, MIGRATION_LOCK_TIMEOUT_MS, migrationStatus } from '../src/platform/migrator.ts';
import { describeSchema } from './describe-schema.ts';
import { MIGRATIONS } from './migrations.ts';
import { brokenRules } from './rules.ts';

const USAGE = 'Usage: npm run migrate -- up | down | status | check';

async function main([command = '', ...more]: readonly string[]): Promise<number> {
  if (!['up', 'down', 'status', 'check'].includes(command) || more.length > 0) {
    console.error(USAGE);
    return EX_USAGE;
  }
  const { databaseUrl } = loadConfigOrExit(MigrationEnvironment);
  switch (command) {
    case 'up':
      report('Applied', await withDatabase(databaseUrl, (db) => migrateUp(db, MIGRATIONS)));
      return 0;
    case 'down':
      report('Taken back', await withDatabase(databaseUrl, (db) => migrateDown(db, MIGRATIONS)));
      return 0;
    case 'status':
      for (const migration of await withDatabase(databaseUrl, (db) => migrationStatus(db, MIGRATIONS))) {
        console.log(`${migration.name}  ${migration.executedAt?.toISOString() ?? 'pending'}`);
      }
      return 0;
    default:
      return await check(databaseUrl);
  }
}

/** On a scratch database: up, down, up leaves the same schema, and every rule of README.md holds. */
async function check(databaseUrl: Secret): Promise<number> {
  const name = `plantao_check_${randomBytes(6).toString('hex')}`;
  await withDatabase(databaseUrl, (db) => sql.raw(`create database ${name}`).execute(db));
  const scratch = new URL(databaseUrl.reveal());
  scratch.pathname = `/${name}`;
  try {
    return await withDatabase({ reveal: () => scratch.href }, async (db) => {
      await migrateUp(db, MIGRATIONS);
      const before = await describeSchema(db);
      const names = Object.keys(MIGRATIONS);
      while ((await migrateDown(db, MIGRATIONS)).length > 0);
      await migrateUp(db, MIGRATIONS);
      const problems = [...(await brokenRules(db))];
      if ((await describeSchema(db)) !== before) problems.push('up, down, up does not leave the same schema');
      for (const problem of problems) console.error(problem);
      console.log(
        problems.length === 0 ? `${names.length} migrations: up, down, up and all rules hold` : 'The check failed',
      );
      return problems.length === 0 ? 0 : 1;
    });
  } finally {
    await withDatabase(databaseUrl, (db) => sql.raw(`drop database ${name} with (force)`).execute(db));
  }
}

async function withDatabase<T>(url: { reveal(): string }, work: (db: Kysely<unknown>) => Promise<T>): Promise<T> {
  const pool = new Pool({
    connectionString: url.reveal(),
    max: 2,
    connectionTimeoutMillis: 5_000,
    options: `-c lock_timeout=${MIGRATION_LOCK_TIMEOUT_MS}`,
  });
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  try {
    return await work(db);
  } finally {
    await db.destroy();
  }
}

function report(verb: string, names: readonly string[]): void {
  console.log(names.length === 0 ? 'Nothing to do' : `${verb}: ${names.join(', ')}`);
}

await runCommand(main);
