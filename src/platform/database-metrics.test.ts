import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { TcpProxy } from '../../test/outages/tcp-proxy.ts';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { metricOfThisProcess } from '../../test/support/metrics.ts';
import { createDatabase, createPool } from './database.ts';
import { createLogger } from './logger.ts';
import { Secret } from './secret.ts';

let test: TestDatabase;
let line: TcpProxy;
let db: Kysely<unknown>;
let pools = 0;
let pool: string;

beforeAll(async () => {
  test = await createTestDatabase();
  const { hostname, port } = new URL(test.url);
  line = await TcpProxy.start({ host: hostname, port: Number(port) });
});

beforeEach(() => {
  pool = `measured-${(pools += 1)}`;
  const options = { name: pool, connectionsMax: 1, queryTimeoutMs: 3_000, acquireTimeoutMs: 1_500 };
  const log = createLogger({ level: 'silent', process: 'test' });
  db = createDatabase<unknown>(createPool(Secret.of(line.through(test.url)), options, log));
});

afterEach(async () => {
  line.heal();
  await db.destroy();
});

afterAll(async () => {
  await line.close();
  await test.close();
});

async function errors(kind: string): Promise<number> {
  return await metricOfThisProcess('plantao_db_errors_total', { pool, kind });
}

async function failing(statement: string): Promise<void> {
  await expect(sql.raw(statement).execute(db)).rejects.toThrow();
}

const RAISE = (state: string) => `do $$ begin raise exception 'no' using errcode = '${state}'; end $$`;

describe('what goes wrong with a statement', () => {
  it.each([
    ['data', 'select 1 / 0'],
    ['data', RAISE('23505')],
    ['lock', RAISE('40P01')],
    ['lock', RAISE('55P03')],
    ['full', RAISE('53100')],
    ['connection', RAISE('53300')],
    ['other', 'select nothing from nowhere'],
    ['timeout', 'select pg_sleep(5)'],
  ])('is counted as %s: %s', async (kind, statement) => {
    await failing(statement);

    expect(await errors(kind)).toBe(1);
  });

  it('is a connection where the line is cut', async () => {
    await sql`select 1`.execute(db);
    const asked = failing('select pg_sleep(2)');
    line.cut();
    await asked;

    expect(await errors('connection')).toBeGreaterThan(0);
  });
});

describe('a pool', () => {
  it('shows what it may open, what is open, and how long callers waited', async () => {
    await sql`select 1`.execute(db);

    expect(await metricOfThisProcess('plantao_db_pool_connections_max', { pool })).toBe(1);
    expect(await metricOfThisProcess('plantao_db_pool_connections', { pool, state: 'total' })).toBe(1);
    expect(await metricOfThisProcess('plantao_db_pool_acquire_seconds', { pool })).toBe(1);
  });

  it('counts who waited in vain', async () => {
    const holding = sql`select pg_sleep(2.5)`.execute(db);
    await failing('select 1');
    await holding;

    expect(await errors('timeout')).toBe(1);
    expect(await metricOfThisProcess('plantao_db_pool_acquire_seconds', { pool })).toBe(2);
  });

  it('is shown no more once it has ended', async () => {
    await sql`select 1`.execute(db);
    await db.destroy();

    expect(await metricOfThisProcess('plantao_db_pool_connections', { pool })).toBe(0);
    expect(await metricOfThisProcess('plantao_db_pool_connections_max', { pool })).toBe(0);
  });
});
