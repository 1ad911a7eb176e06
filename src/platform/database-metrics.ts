import type { Pool } from 'pg';
import { Counter, Gauge, Histogram } from 'prom-client';
import { LATENCY_BUCKETS_SECONDS, registry } from './metrics.ts';
import { monotonicMs } from './time.ts';

/** What was wrong with a connection or a statement. A closed set: it is also a metric label. */
const ERROR_KINDS = ['timeout', 'connection', 'lock', 'full', 'data', 'other'] as const;
type ErrorKind = (typeof ERROR_KINDS)[number];

/** The open pools, to be looked at when somebody scrapes. A process opens four at most; those that have ended are forgotten. */
const pools = new Map<Pool, string>();

new Gauge({
  name: 'plantao_db_pool_connections',
  help: 'Open connections of a pool by state.',
  labelNames: ['pool', 'state'],
  registers: [registry],
  collect() {
    this.reset();
    for (const [pool, name] of openPools()) {
      this.inc({ pool: name, state: 'total' }, pool.totalCount);
      this.inc({ pool: name, state: 'idle' }, pool.idleCount);
    }
  },
});
new Gauge({
  name: 'plantao_db_pool_connections_max',
  help: 'Connections that a pool may open.',
  labelNames: ['pool'],
  registers: [registry],
  collect() {
    this.reset();
    for (const [pool, name] of openPools()) this.inc({ pool: name }, pool.options.max);
  },
});
new Gauge({
  name: 'plantao_db_pool_waiting',
  help: 'Callers waiting for a connection of a pool.',
  labelNames: ['pool'],
  registers: [registry],
  collect() {
    this.reset();
    for (const [pool, name] of openPools()) this.inc({ pool: name }, pool.waitingCount);
  },
});
const acquireSeconds = new Histogram({
  name: 'plantao_db_pool_acquire_seconds',
  help: 'Wait for a connection of a pool, until there was one or nobody waited any longer.',
  labelNames: ['pool'],
  buckets: LATENCY_BUCKETS_SECONDS,
  registers: [registry],
});
const errors = new Counter({
  name: 'plantao_db_errors_total',
  help: 'Connections and statements that failed, by what was wrong. data: values that the database refuses, which is no fault of its own.',
  labelNames: ['pool', 'kind'],
  registers: [registry],
});

function openPools(): ReadonlyMap<Pool, string> {
  for (const pool of pools.keys()) if (pool.ended) pools.delete(pool);
  return pools;
}

/** Shows a pool under its name from now until it ends. */
export function showPool(pool: Pool, name: string): void {
  openPools();
  pools.set(pool, name);
}

/** The series of one pool, looked up once: this runs for every statement. */
export class PoolMeter {
  readonly #acquireSeconds: { observe(seconds: number): void };
  readonly #errors: ReadonlyMap<ErrorKind, { inc(): void }>;

  readonly #stateOf: (error: unknown) => string | undefined;

  /** @param stateOf what PostgreSQL calls an error; undefined when it did not come from the server. */
  constructor(pool: Pool, stateOf: (error: unknown) => string | undefined) {
    this.#stateOf = stateOf;
    const name = pools.get(pool) ?? 'unnamed';
    this.#acquireSeconds = acquireSeconds.labels({ pool: name });
    this.#errors = new Map(ERROR_KINDS.map((kind) => [kind, errors.labels({ pool: name, kind })]));
    // A series that begins with its first error has no rate before its second one.
    for (const kind of ERROR_KINDS) errors.inc({ pool: name, kind }, 0);
  }

  /** Measures the wait for a connection. */
  async acquiring<Connection>(acquire: () => Promise<Connection>): Promise<Connection> {
    const startedAt = monotonicMs();
    try {
      return await acquire();
    } catch (error) {
      this.failed(error);
      throw error;
    } finally {
      this.#acquireSeconds.observe((monotonicMs() - startedAt) / 1_000);
    }
  }

  failed(error: unknown): void {
    this.#errors.get(kindOf(error, this.#stateOf(error)))?.inc();
  }
}

/** By the beginning of the server's code; of two that fit, the longer stands first. Source: PostgreSQL manual, appendix A. */
const KIND_BY_STATE: readonly (readonly [prefix: string, kind: ErrorKind])[] = [
  ['57014', 'timeout'],
  ['25P03', 'timeout'],
  ['55P03', 'lock'],
  ['40', 'lock'],
  ['53300', 'connection'],
  ['53', 'full'],
  ['08', 'connection'],
  ['28', 'connection'],
  ['57P', 'connection'],
  ['22', 'data'],
  ['23', 'data'],
];
/** The driver's deadlines have no code. Source: brianc/node-postgres, packages/pg/lib/client.js and packages/pg-pool/index.js. */
const DRIVER_TIMEOUT = /^(Query read timeout|timeout exceeded when trying to connect)/;

/** What the server did not say itself is a line that was lost. */
function kindOf(error: unknown, state: string | undefined): ErrorKind {
  if (state !== undefined) return KIND_BY_STATE.find(([prefix]) => state.startsWith(prefix))?.[1] ?? 'other';
  return error instanceof Error && DRIVER_TIMEOUT.test(error.message) ? 'timeout' : 'connection';
}
