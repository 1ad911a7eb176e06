import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Kysely, PostgresDialect, sql } from 'kysely';
import type { Migration } from 'kysely/migration';
import { Pool } from 'pg';
import { MIGRATIONS } from '../../migrations/migrations.ts';
import { migrateUp, MIGRATION_LOCK_TIMEOUT_MS } from '../../src/platform/migrator.ts';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { expectCleanHistory } from '../support/clean-history.ts';
import { Town } from '../support/town.ts';
import type { TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

const TABLES = [
  'tenant',
  'channel',
  'contact',
  'conversation',
  'inbound_event',
  'message',
  'turn',
  'outbox',
  'passage',
];

/** What the next release might add: a column in every table that matters, an index, a table. */
const EXPAND: Migration = {
  up: async (db) => {
    for (const table of TABLES) await sql.raw(`alter table ${table} add column next_release text`).execute(db);
    await sql`create index message_next_release on message (tenant_id, next_release)`.execute(db);
    await sql`create table next_release (id uuid primary key, tenant_id uuid not null)`.execute(db);
  },
};
const NEXT = { ...MIGRATIONS, '9999-next-release': EXPAND };

let town: Town;
let bakery: TownTenant;

beforeEach(async () => {
  town = await Town.start();
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
});

afterEach(async () => {
  await town.close();
});

/** A question and its answer, several times, so that every statement is prepared. */
async function everythingIsUsed(from: number): Promise<void> {
  for (let index = from; index < from + 4; index += 1) {
    const customer = bakery.customer(`Cliente ${index}`, `551198888000${index}`);
    for (const [asked, question] of ['Qual é a taxa de entrega?', 'Aceitam cheque?'].entries()) {
      expect((await customer.writes(question)).status).toBe(200);
      await customer.hears(asked + 1);
    }
  }
}

async function migrate(): Promise<readonly string[]> {
  const pool = new Pool({
    connectionString: town.database.url,
    max: 1,
    options: `-c lock_timeout=${MIGRATION_LOCK_TIMEOUT_MS}`,
  });
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  try {
    return await migrateUp(db, NEXT);
  } finally {
    await db.destroy();
  }
}

describe('a release that is still running when the next one has expanded the schema', () => {
  it('goes on answering, and may be started again', async () => {
    await everythingIsUsed(0);
    const applied = await migrate();
    await everythingIsUsed(4);
    const restarted = await town.startWorkerProcess();
    const isReady = (await fetch(`${restarted.url}/readyz`)).status === 200;
    await expectCleanHistory(town);

    expect(applied).toEqual(['9999-next-release']);
    expect(isReady).toBe(true);
  });
});

describe('a migration that needs a table which somebody reads', () => {
  it('gives way to the traffic until it gets it', async () => {
    const customers = Array.from({ length: 30 }, (_, index) => bakery.customer('Ana', `55119777${1000 + index}`));
    const statuses: number[] = [];
    let applied: Promise<readonly string[]> | undefined;
    await town.database.db.transaction().execute(async (reader) => {
      await sql`select count(*) from message`.execute(reader);
      applied = migrate();
      await until(async () => (await waitingForLocks()) > 0);
      for (const customer of customers) statuses.push((await customer.writes('Oi')).status);
    });

    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(await applied).toEqual(['9999-next-release']);
    await expectCleanHistory(town);
  });
});

describe('npm run migrate', () => {
  const COMMAND = fileURLToPath(new URL('../../migrations/command.ts', import.meta.url));

  async function migrateCommand(): Promise<number | null> {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', COMMAND, 'up'], {
      env: { PATH: process.env.PATH, DATABASE_URL: town.database.url },
      stdio: 'ignore',
    });
    await once(child, 'exit');
    return child.exitCode;
  }

  it('waits while another one migrates, and then finds nothing to do', async () => {
    let code: Promise<number | null> | undefined;
    await town.database.db.transaction().execute(async (tx) => {
      await sql`lock table kysely_migration_lock in access exclusive mode`.execute(tx);
      code = migrateCommand();
      await until(async () => (await waitingForLocks()) > 0);
    });

    expect(await code).toBe(0);
  });
});

async function waitingForLocks(): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from pg_stat_activity
     where datname = current_database() and wait_event_type = 'Lock'`.execute(town.database.db);
  return rows[0]?.count ?? 0;
}
