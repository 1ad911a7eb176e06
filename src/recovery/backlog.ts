import type { Queue } from 'bullmq';
import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { Gauge } from 'prom-client';
import { OTHER_TENANTS, TENANTS_SHOWN } from '../platform/capped-label.ts';
import type { Logger } from '../platform/logger.ts';
import { registry } from '../platform/metrics.ts';
import { systemClock } from '../platform/time.ts';
import type { Schema } from '../vocabulary/schema.ts';
import { measureHeartbeats } from './heartbeat.ts';

const oldestUnanswered = new Gauge({
  name: 'plantao_inbox_oldest_unprocessed_seconds',
  help: 'Age of the oldest customer message that nothing has settled; 0 when there is none.',
  registers: [registry],
});
const unanswered = new Gauge({
  name: 'plantao_inbox_unprocessed',
  help: 'Customer messages that nothing has settled.',
  registers: [registry],
});
const oldestUnsent = new Gauge({
  name: 'plantao_outbox_oldest_pending_seconds',
  help: 'Age of the oldest bubble that is neither sent nor given up; 0 when there is none.',
  registers: [registry],
});
const openDeadLetters = new Gauge({
  name: 'plantao_dead_letters_open',
  help: 'Dead letters that wait for a person.',
  registers: [registry],
});
const waitingHandoffs = new Gauge({
  name: 'plantao_handoffs_waiting',
  help: 'Conversations that wait for a person.',
  registers: [registry],
});
const queueJobs = new Gauge({
  name: 'plantao_queue_jobs',
  help: 'Jobs of a queue by state.',
  labelNames: ['queue', 'state'],
  registers: [registry],
});

const queueOldest = new Gauge({
  name: 'plantao_queue_oldest_waiting_seconds',
  help: 'How long the job of a queue waits that is due and has waited longest; 0 when none does.',
  labelNames: ['queue'],
  registers: [registry],
});
const oldestDeadLetter = new Gauge({
  name: 'plantao_dead_letters_oldest_seconds',
  help: 'Age of the oldest dead letter that waits for a person; 0 when there is none.',
  registers: [registry],
});
const tenantUnanswered = new Gauge({
  name: 'plantao_tenant_inbox_unprocessed',
  help: 'Customer messages that nothing has settled, of the tenants that wait longest, and of all others together.',
  labelNames: ['tenant'],
  registers: [registry],
});
const tenantOldestUnanswered = new Gauge({
  name: 'plantao_tenant_inbox_oldest_seconds',
  help: 'Age of the oldest customer message that nothing has settled, of the same tenants.',
  labelNames: ['tenant'],
  registers: [registry],
});

const MEASURED_EVERY_MS = 5_000;
const QUEUE_STATES = ['waiting', 'active', 'delayed', 'failed'] as const;

/** Measures what waits, so that an age that grows is seen before a customer complains. */
export class BacklogMeter {
  readonly #db: Kysely<Schema>;
  readonly #queues: readonly Queue[];
  readonly #redis: { readonly isUp: boolean };
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  /** While the database is slow, rounds do not pile up. */
  #measuring: Promise<void> | undefined;

  constructor(parts: { db: Kysely<Schema>; queues: readonly Queue[]; redis: { readonly isUp: boolean }; log: Logger }) {
    this.#db = parts.db;
    this.#queues = parts.queues;
    this.#redis = parts.redis;
    this.#log = parts.log;
    this.#timer = setInterval(() => {
      this.#measuring ??= this.measure().finally(() => (this.#measuring = undefined));
    }, MEASURED_EVERY_MS);
    this.#timer.unref();
  }

  /** Never rejects: a figure that cannot be had keeps its last value. */
  async measure(): Promise<void> {
    await Promise.all([
      this.#attempt(() => this.#measureDatabase()),
      this.#attempt(() => measureHeartbeats(this.#db)),
      this.#attempt(async () => {
        if (this.#redis.isUp) await Promise.all(this.#queues.map((queue) => measureQueue(queue)));
      }),
    ]);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#measuring;
  }

  async #attempt(measure: () => Promise<void>): Promise<void> {
    try {
      await measure();
    } catch (error) {
      this.#log.debug({ err: error }, 'A part of the backlog could not be measured');
    }
  }

  /** One look at the index of what is unsettled, for the whole and for the tenants that wait longest. */
  async #measureDatabase(): Promise<void> {
    const { rows } = await sql<BacklogRow>`
      with waiting as materialized (
        select tenant_id, count(*) as unanswered, min(received_at) as oldest from message
         where author = 'customer' and settled_at is null group by tenant_id
      ), ranked as (
        select *, row_number() over (order by oldest) as place from waiting
      ), shown as (
        select case when place <= ${TENANTS_SHOWN} then slug else ${OTHER_TENANTS} end as tenant,
               sum(unanswered)::int as unanswered,
               extract(epoch from clock_timestamp() - min(oldest))::float8 as oldest
          from ranked left join tenant on place <= ${TENANTS_SHOWN} and tenant.id = tenant_id
         group by 1
      )
      select (select coalesce(sum(unanswered), 0)::int from waiting) as unanswered,
             (select extract(epoch from clock_timestamp() - min(oldest))::float8 from waiting) as oldest_unanswered,
             (select coalesce(json_agg(shown), '[]') from shown where tenant is not null) as tenants,
             (select extract(epoch from clock_timestamp() - min(created_at))::float8 from outbox
               where state in ('pending', 'sending', 'unknown')) as oldest_unsent,
             (select count(*)::int from dead_letter where state = 'open') as dead_letters,
             (select extract(epoch from clock_timestamp() - min(created_at))::float8 from dead_letter
               where state = 'open') as oldest_dead_letter,
             (select count(*)::int from handoff where state = 'waiting') as handoffs`.execute(this.#db);
    const [row] = rows;
    if (row !== undefined) show(row);
  }
}

interface BacklogRow {
  readonly unanswered: number;
  readonly oldest_unanswered: number | null;
  readonly tenants: readonly { readonly tenant: string; readonly unanswered: number; readonly oldest: number }[];
  readonly oldest_unsent: number | null;
  readonly dead_letters: number;
  readonly oldest_dead_letter: number | null;
  readonly handoffs: number;
}

function show(row: BacklogRow): void {
  unanswered.set(row.unanswered);
  oldestUnanswered.set(row.oldest_unanswered ?? 0);
  oldestUnsent.set(row.oldest_unsent ?? 0);
  openDeadLetters.set(row.dead_letters);
  oldestDeadLetter.set(row.oldest_dead_letter ?? 0);
  waitingHandoffs.set(row.handoffs);
  // Who waits for nothing has no series: only so are there never more than the bound.
  tenantUnanswered.reset();
  tenantOldestUnanswered.reset();
  for (const { tenant, unanswered: count, oldest } of row.tenants) {
    tenantUnanswered.set({ tenant }, count);
    tenantOldestUnanswered.set({ tenant }, oldest);
  }
}

async function measureQueue(queue: Queue): Promise<void> {
  const [counts, oldestMs] = await Promise.all([queue.getJobCounts(...QUEUE_STATES), oldestWaitingMs(queue)]);
  for (const state of QUEUE_STATES) queueJobs.set({ queue: queue.name, state }, counts[state] ?? 0);
  queueOldest.set({ queue: queue.name }, oldestMs / 1_000);
}

/**
 * A job waits from when it is due. One that was put off again meanwhile is taken for older than it is, by as much as the rest
 * of a burst is waited for. Due and still among the delayed is what no worker has looked for.
 */
async function oldestWaitingMs(queue: Queue): Promise<number> {
  const now = systemClock.now().getTime();
  const [waiting, overdue] = await Promise.all([
    queue.getWaiting(0, 0),
    queue.getDelayedCount(now).then((count) => (count === 0 ? [] : queue.getDelayed(0, 0))),
  ]);
  const ages = [...waiting, ...overdue].map((job) => now - (job.timestamp + (job.opts.delay ?? 0)));
  return Math.max(0, ...ages);
}
