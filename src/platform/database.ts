import { createHash } from 'node:crypto';
import { Kysely, PostgresDialect, sql } from 'kysely';
import type { PostgresPoolClient, Transaction } from 'kysely';
import { LRUCache } from 'lru-cache';
import { Pool } from 'pg';
import type { PoolClient } from 'pg';
import { clientWith, DatabaseLogin, withOtherLogin } from './database-login.ts';
import { PoolMeter, showPool } from './database-metrics.ts';
import type { Logger } from './logger.ts';
import type { Secret } from './secret.ts';
import { monotonicMs, pause } from './time.ts';

export interface PoolOptions {
  /** Shown as `application_name` and as a metric label: which part of which process this pool serves. */
  readonly name: string;
  readonly connectionsMax: number;
  /** How long a query may take before the client gives up on it, also when the server has frozen. */
  readonly queryTimeoutMs: number;
  /** How long to wait for a connection, new or returned to the pool. */
  readonly acquireTimeoutMs: number;
}

/**
 * A server cuts off a transaction whose client went silent for this long. A frozen worker would otherwise keep its row
 * locks, and stop intake for everybody.
 */
const IDLE_IN_TRANSACTION_MS = 3_000;
const LOCK_TIMEOUT_MS = 2_000;
/**
 * Every statement of ours has its index. A plan that was made while a table was almost empty, and kept with its prepared
 * statement, must not read the whole of it when it is full [measured: a fifth of the database's work under load].
 */
const PLANNER = '-c enable_seqscan=off -c random_page_cost=1.1 -c jit=off';
const CONNECTION_LIFE_SECONDS = 1_800;

/**
 * A pool in which nothing can wait for ever: each wait has a deadline on this side of the wire.
 *
 * The server's own timeouts are set as well, but a frozen server does not keep them.
 */
export function createPool(url: Secret, options: PoolOptions, log: Logger): Pool {
  const pool = new Pool({
    // Also the address itself may be another one by the time that a connection is opened.
    Client: clientWith(new DatabaseLogin(url)),
    max: options.connectionsMax,
    connectionTimeoutMillis: options.acquireTimeoutMs,
    query_timeout: options.queryTimeoutMs,
    statement_timeout: options.queryTimeoutMs,
    lock_timeout: Math.min(LOCK_TIMEOUT_MS, options.queryTimeoutMs),
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    keepAlive: true,
    maxLifetimeSeconds: CONNECTION_LIFE_SECONDS,
    application_name: `plantao-${options.name}`,
    options: PLANNER,
  });
  // A connection that dies while idle is replaced by the pool; without a listener it would end the process.
  pool.on('error', (error) => {
    log.warn({ err: error, pool: options.name }, 'An idle database connection was lost');
  });
  // One that dies at work tells whoever waits for its answer, and then says it once more, as an event that would also
  // end the process. The pool listens only while a connection is idle.
  pool.on('connect', (client) => {
    client.on('error', (error) => {
      log.debug({ err: error, pool: options.name }, 'A database connection was lost');
    });
  });
  showPool(pool, options.name);
  return pool;
}

export function createDatabase<Schema>(pool: Pool): Kysely<Schema> {
  const meter = new PoolMeter(pool, sqlState);
  return new Kysely<Schema>({
    dialect: new PostgresDialect({
      pool: {
        options: pool.options,
        connect: async () =>
          discardedWhenUnsure(await meter.acquiring(() => withOtherLogin(() => pool.connect())), meter),
        end: () => pool.end(),
      },
    }),
  });
}

/**
 * A connection whose query ended without an answer from the server (a timeout, a cut line) still has that query in
 * flight. Given back to the pool it would make the next caller wait behind it, so it is closed instead.
 */
function discardedWhenUnsure(client: PoolClient, meter: PoolMeter): PostgresPoolClient {
  let unsure: Error | undefined;
  const query = async (text: string, parameters: readonly unknown[]): Promise<unknown> => {
    try {
      return await client.query({ ...preparedName(text), text, values: [...parameters] });
    } catch (error) {
      meter.failed(error);
      if (sqlState(error) === undefined) unsure = error instanceof Error ? error : new Error('The query failed');
      throw error;
    }
  };
  return {
    query: query as PostgresPoolClient['query'],
    release: () => {
      client.release(unsure);
    },
  };
}

/** Statements seen so far, and how often. A statement that is built anew from its input must not fill the server's memory. */
const seen = new LRUCache<string, { times: number; readonly name: string }>({ max: 300 });
/** From the third time on a statement is worth keeping on its connection. */
const PREPARED_FROM = 3;

/**
 * Names a statement that is used again and again, so that a connection parses and plans it once.
 *
 * Planning is a third of the cost of our short statements [measured: 8 of 22 s of database time under load].
 */
function preparedName(text: string): { name?: string } {
  const known = seen.get(text);
  if (known === undefined) {
    seen.set(text, { times: 1, name: `p${createHash('sha256').update(text).digest('hex').slice(0, 16)}` });
    return {};
  }
  known.times += 1;
  return known.times >= PREPARED_FROM ? { name: known.name } : {};
}

/** The role that requests of one tenant run as. Row-level security applies to it, even below a superuser connection. */
export const TENANT_ROLE = 'plantao_tenant';

/** Runs `work` in a transaction that can see and change rows of this tenant only. */
export async function asTenant<Schema, Result>(
  db: Kysely<Schema>,
  tenantId: string,
  work: (tx: Transaction<Schema>) => Promise<Result>,
): Promise<Result> {
  return await db.transaction().execute(async (tx) => {
    await sql`select set_config('plantao.tenant_id', ${tenantId}, true), set_config('role', ${TENANT_ROLE}, true)`.execute(
      tx,
    );
    return await work(tx);
  });
}

/** What PostgreSQL calls the problem, as five characters; undefined when the error did not come from the server. */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  return /^[0-9A-Z]{5}$/.test(error.code) ? error.code : undefined;
}

/** Whether the server refused the values themselves (class 22 data, 23 constraint), so that a retry cannot help. */
export function isDataError(error: unknown): boolean {
  const state = sqlState(error);
  return state !== undefined && (state.startsWith('22') || state.startsWith('23'));
}

/**
 * Conditions that are not the caller's and pass: connection (08), a login that is being changed (28), resources (53),
 * shutdown (57P), a lock or a time limit that was not met, and transactions that PostgreSQL gave up in favour of another.
 * Source: PostgreSQL manual, appendix A.
 */
const PASSING_SQL_STATE = /^(08|28|53|57P|55P03|57014|25P03|40001|40P01)/;
/** The system's words for a line that is not there. */
const LOST_LINE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
]);
/** The driver's errors have no code. Source: brianc/node-postgres, packages/pg/lib/client.js and packages/pg-pool/index.js. */
const LOST_DRIVER =
  /^(Connection terminated|Query read timeout|timeout exceeded when trying to connect|Client has encountered a connection error)/;

/** Whether the database could not be asked, as opposed to having said no. */
export function isDatabaseUnavailable(error: unknown): boolean {
  const state = sqlState(error);
  if (state !== undefined && PASSING_SQL_STATE.test(state)) return true;
  if (!(error instanceof Error)) return false;
  if (error instanceof AggregateError && error.errors.some(isDatabaseUnavailable)) return true;
  if ('code' in error && typeof error.code === 'string' && LOST_LINE.has(error.code)) return true;
  return LOST_DRIVER.test(error.message);
}

/** A process that starts together with its database, or on a busy machine, waits so long for it instead of ending. */
const STARTING_MS = 10_000;
const LOOK_AGAIN_MS = 250;

/** Asks a database that may only just be starting, again and again for a while. */
export async function onceReachable<Result>(ask: () => Promise<Result>, log: Logger): Promise<Result> {
  const giveUpAt = monotonicMs() + STARTING_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!isDatabaseUnavailable(error) || monotonicMs() > giveUpAt) throw error;
      log.warn({ err: error }, 'The database cannot be reached yet');
    }
    await pause(LOOK_AGAIN_MS);
  }
}
