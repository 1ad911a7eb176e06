import { afterEach, describe, expect } from '@jest/globals';
import { sql } from 'kysely';
import { createDatabase, createPool } from '../../src/platform/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { Secret } from '../../src/platform/secret.ts';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { expectCleanHistory } from '../support/clean-history.ts';
import { createTestDatabase } from '../support/database.ts';
import { itWhere } from '../support/it-where.ts';
import { whyNo } from '../support/on-path.ts';
import { pgBouncerVersion, PREPARES_SINCE, startPgBouncer } from '../support/pgbouncer.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { Town } from '../support/town.ts';
import { read } from '../drift/project.ts';

const INI = read('deploy/pgbouncer/pgbouncer.ini');
const POOL = { name: 'test', connectionsMax: 4, queryTimeoutMs: 4_000, acquireTimeoutMs: 3_000 };
const QUIET = createLogger({ level: 'silent', process: 'test' });

let closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers) await close();
  closers = [];
});

describe('deploy/pgbouncer/pgbouncer.ini', () => {
  itWhere(whyNo('pgbouncer'), 'lets our pools in, and gives them what they ask for at the start', async () => {
    const database = await createTestDatabase();
    closers.unshift(() => database.close());
    const straight = createPool(Secret.of(database.url), POOL, QUIET);
    closers.unshift(() => straight.end());
    const bouncer = await startPgBouncer(database.url, INI);
    closers.unshift(() => bouncer.close());
    const through = createPool(Secret.of(bouncer.url), POOL, QUIET);
    closers.unshift(() => through.end());
    // The deadlines of the server differ from pool to pool, and behind PgBouncer there is one for all.
    const asked = `select name, setting from pg_settings
       where source in ('client', 'session') and name not in ('statement_timeout', 'lock_timeout', 'application_name')
         and name not like all (array['client%', 'Date%', 'Time%', 'standard%']) order by name`;
    const { rows: wanted } = await straight.query<{ name: string; setting: string }>(asked);
    const { rows: got } = await through.query<{ name: string; setting: string }>(asked);
    const { rows: deadlines } = await through.query(
      `select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock`,
    );

    expect(wanted.map(({ name }) => name)).toContain('enable_seqscan');
    expect(got).toEqual(wanted);
    expect(deadlines).toEqual([{ statement: '5s', lock: '2s' }]);
  });

  const whyNoPreparing =
    pgBouncerVersion() >= PREPARES_SINCE
      ? undefined
      : `the PgBouncer on PATH is older than ${PREPARES_SINCE}, or absent`;

  itWhere(
    whyNoPreparing,
    'keeps prepared statements alive on lines that change from one transaction to the next',
    async () => {
      const database = await createTestDatabase();
      closers.unshift(() => database.close());
      const bouncer = await startPgBouncer(database.url, INI);
      closers.unshift(() => bouncer.close());
      const db = createDatabase<unknown>(createPool(Secret.of(bouncer.url), POOL, QUIET));
      closers.unshift(() => db.destroy());
      const ask = async (number: number) =>
        (await sql<{ sum: number }>`select ${number}::int + 1 as sum, pg_sleep(0.005)`.execute(db)).rows[0]?.sum;

      const answers = await Promise.all(Array.from({ length: 60 }, (_, index) => ask(index)));

      expect(answers).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
    },
  );

  itWhere(whyNoPreparing, 'carries the whole product: questions in, answers out, one each', async () => {
    const town = await Town.start({ worker: false });
    closers.unshift(() => town.close());
    const bouncer = await startPgBouncer(town.environment.DATABASE_URL ?? '', INI);
    closers.unshift(() => bouncer.close());
    const environment = { DATABASE_URL: bouncer.url };
    const worker = await town.startWorkerProcess(environment);
    const service = await startServiceProcess({ ...town.environment, ...environment });
    closers.unshift(() => service.kill());
    const bakery = await town.tenant({ articles: BAKERY_ARTICLES });
    const { webhook } = bakery.connection;
    bakery.connection.webhook = { ...webhook, url: webhook.url.replace(town.url, service.url) };
    const customers = Array.from({ length: 12 }, (_, index) =>
      bakery.customer(`Cliente ${index}`, `551198777${String(index).padStart(4, '0')}`),
    );

    for (let round = 1; round <= 4; round += 1) {
      const answers = await Promise.all(customers.map((it) => it.writes('Qual é a taxa de entrega?')));
      expect(answers.map(({ status }) => status)).toEqual(customers.map(() => 200));
      await Promise.all(customers.map((it) => it.hears(round)));
    }
    await expectCleanHistory(town);

    expect(await service.end()).toBe(0);
    expect(await worker.end()).toBe(0);
  });
});
