import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { TcpProxy } from '../../test/outages/tcp-proxy.ts';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { timed } from '../../test/support/stopwatch.ts';
import { until } from '../../test/support/until.ts';
import { asTenant, createDatabase, createPool, isDataError, onceReachable, sqlState } from './database.ts';
import type { PoolOptions } from './database.ts';
import { createLogger } from './logger.ts';
import { Secret } from './secret.ts';

const OPTIONS: PoolOptions = { name: 'test', connectionsMax: 2, queryTimeoutMs: 5_000, acquireTimeoutMs: 5_000 };
/** For who waits in vain. A machine that is busy adds its own seconds to it, and to nobody's patience above. */
const HASTY = { queryTimeoutMs: 400 };
const GIVEN_UP_WITHIN_MS = 4_500;

let test: TestDatabase;
let line: TcpProxy;
let open: Kysely<unknown>[] = [];

beforeAll(async () => {
  test = await createTestDatabase();
  const { hostname, port } = new URL(test.url);
  line = await TcpProxy.start({ host: hostname, port: Number(port) });
});

afterEach(async () => {
  line.heal();
  for (const db of open) await db.destroy();
  open = [];
});

afterAll(async () => {
  await line.close();
  await test.close();
});

function pool(options: Partial<PoolOptions> = {}): Kysely<unknown> {
  const log = createLogger({ level: 'silent', process: 'test' });
  const db = createDatabase<unknown>(createPool(Secret.of(line.through(test.url)), { ...OPTIONS, ...options }, log));
  open.push(db);
  return db;
}

async function failure(work: Promise<unknown>): Promise<{ error: unknown; tookMs: number }> {
  const { answer: error, tookMs } = await timed<unknown>(() =>
    work.then(
      () => undefined,
      (reason: unknown) => reason,
    ),
  );
  return { error, tookMs };
}

async function one(db: Kysely<unknown>): Promise<unknown> {
  return (await sql`select 1 as one`.execute(db)).rows[0];
}

describe('a query', () => {
  it('that takes too long is given up, by the server where it still listens', async () => {
    const { error, tookMs } = await failure(sql`select pg_sleep(20)`.execute(pool(HASTY)));

    expect(error).toBeInstanceOf(Error);
    expect(tookMs).toBeLessThan(GIVEN_UP_WITHIN_MS);
  });

  it('to a silent server is given up by us, and its connection is not used again', async () => {
    const db = pool({ ...HASTY, connectionsMax: 1 });
    await one(db);
    line.goSilent();
    const { error, tookMs } = await failure(one(db));
    line.heal();

    expect(error).toBeInstanceOf(Error);
    expect(tookMs).toBeLessThan(GIVEN_UP_WITHIN_MS);
    expect(await one(db)).toEqual({ one: 1 });
  });

  it('whose line is cut fails alone: the process lives, and the next query gets a new line', async () => {
    const db = pool();
    const cut = failure(sql`select pg_sleep(3)`.execute(db));
    await until(async () => (await busyConnections()) > 0);

    line.cut();
    expect((await cut).error).toBeInstanceOf(Error);
    line.heal();

    expect(await one(db)).toEqual({ one: 1 });
  });

  it('waits a bounded time for a connection', async () => {
    const db = pool({ connectionsMax: 1, acquireTimeoutMs: 300 });
    let hasEnded = false;
    const long = sql`select pg_sleep(2)`.execute(db).finally(() => (hasEnded = true));

    const { error } = await failure(one(db));

    expect(error).toMatchObject({ message: expect.stringContaining('timeout exceeded') });
    expect(hasEnded).toBe(false);
    await long;
  });

  async function busyConnections(): Promise<number> {
    const { rows } = await sql<{ count: number }>`select count(*)::int as count from pg_stat_activity
      where application_name = 'plantao-test' and state = 'active' and query like '%pg_sleep%' and pid <> pg_backend_pid()`.execute(
      test.db,
    );
    return rows[0]?.count ?? 0;
  }
});

describe('a transaction whose process has frozen', () => {
  it('is ended by the server after three seconds, so that its locks stop nobody', async () => {
    const db = pool();

    const { rows } = await sql`select current_setting('idle_in_transaction_session_timeout') as setting`.execute(db);

    expect(rows).toEqual([{ setting: '3s' }]);
  });
});

describe('work for one tenant', () => {
  it('runs as a role that row-level security holds for, and leaves nothing behind on the connection', async () => {
    const db = pool({ connectionsMax: 1 });
    const tenantId = crypto.randomUUID();

    const inside = await asTenant(db, tenantId, async (tx) => {
      return (await sql`select current_user as role, plantao_current_tenant() as tenant`.execute(tx)).rows[0];
    });
    const { rows } = await sql`select current_user as role, plantao_current_tenant() as tenant`.execute(db);

    expect(inside).toEqual({ role: 'plantao_tenant', tenant: tenantId });
    expect(rows[0]).toMatchObject({ tenant: null });
    expect(rows[0]).not.toMatchObject({ role: 'plantao_tenant' });
  });
});

describe('an error', () => {
  it.each<[string, string, boolean]>([
    ["select '\\000'::bytea::text || chr(0)", '54000', false],
    ["select 'x'::integer", '22P02', true],
    ["insert into tenant (id, slug, name, sealed_data_key) values (gen_random_uuid(), 'Não', 'x', '')", '23514', true],
    ['select * from no_such_table', '42P01', false],
  ])('of the server is known by its code: %s', async (statement, code, isData) => {
    const { error } = await failure(sql.raw(statement).execute(pool()));

    expect(sqlState(error)).toBe(code);
    expect(isDataError(error)).toBe(isData);
  });

  it('of the line has no such code', () => {
    expect(sqlState(Object.assign(new Error('x'), { code: 'ECONNREFUSED' }))).toBeUndefined();
    expect(sqlState(new Error('Connection terminated'))).toBeUndefined();
    expect(sqlState('22P02')).toBeUndefined();
  });
});

describe('a database that is starting', () => {
  const log = createLogger({ level: 'silent', process: 'test' });

  it('is waited for', async () => {
    const db = pool();
    line.cut();
    let asked = 0;
    const answer = onceReachable(async () => {
      asked += 1;
      return await sql<{ one: number }>`select 1 as one`.execute(db);
    }, log);
    await until(() => asked > 1);
    line.heal();

    expect((await answer).rows).toEqual([{ one: 1 }]);
  });

  it('is not waited for when it says no', async () => {
    const db = pool();
    let asked = 0;
    const answer = onceReachable(async () => {
      asked += 1;
      return await sql`select * from nothing`.execute(db);
    }, log);

    await expect(answer).rejects.toThrow('relation "nothing" does not exist');
    expect(asked).toBe(1);
  });
});
