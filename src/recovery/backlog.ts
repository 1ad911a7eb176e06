import type { Queue } from 'bullmq';
import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { Gauge } from 'prom-client';
import type { Logger } from '../platform/logger.ts';
import { registry } from '../platform/metrics.ts';
import type { Schema } from '../vocabulary/schema.ts';

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

const MEASURED_EVERY_MS = 5_000;
const QUEUE_STATES = ['waiting', 'active', 'delayed', 'failed'] as const;

/** Measures what waits, so that an age that grows is seen before a customer complains. */
export class BacklogMeter {
  readonly #db: Kysely<Schema>;
  readonly #queues: readonly Queue[];
  readonly #redis: { readonly isUp: boolean };
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;

  constructor(parts: { db: Kysely<Schema>; queues: readonly Queue[]; redis: { readonly isUp: boolean }; log: Logger }) {
    this.#db = parts.db;
    this.#queues = parts.queues;
    this.#redis = parts.redis;
    this.#log = parts.log;
    this.#timer = setInterval(() => void this.measure(), MEASURED_EVERY_MS);
    this.#timer.unref();
  }

  /** Never rejects: a figure that cannot be had keeps its last value. */
  async measure(): Promise<void> {
    try {
      await this.#measureDatabase();
      if (this.#redis.isUp) await Promise.all(this.#queues.map((queue) => measureQueue(queue)));
    } catch (error) {
      this.#log.debug({ err: error }, 'The backlog could not be measured');
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #measureDatabase(): Promise<void> {
    const { rows } = await sql<BacklogRow>`
      select (select count(*)::int from message where author = 'customer' and settled_at is null) as unanswered,
             (select extract(epoch from clock_timestamp() - min(received_at))::float8 from message
               where author = 'customer' and settled_at is null) as oldest_unanswered,
             (select extract(epoch from clock_timestamp() - min(created_at))::float8 from outbox
               where state in ('pending', 'sending', 'unknown')) as oldest_unsent,
             (select count(*)::int from dead_letter where state = 'open') as dead_letters,
             (select count(*)::int from handoff where state = 'waiting') as handoffs`.execute(this.#db);
    const [row] = rows;
    if (row === undefined) return;
    unanswered.set(row.unanswered);
    oldestUnanswered.set(row.oldest_unanswered ?? 0);
    oldestUnsent.set(row.oldest_unsent ?? 0);
    openDeadLetters.set(row.dead_letters);
    waitingHandoffs.set(row.handoffs);
  }
}

interface BacklogRow {
  unanswered: number;
  oldest_unanswered: number | null;
  oldest_unsent: number | null;
  dead_letters: number;
  handoffs: number;
}

async function measureQueue(queue: Queue): Promise<void> {
  const counts = await queue.getJobCounts(...QUEUE_STATES);
  for (const state of QUEUE_STATES) queueJobs.set({ queue: queue.name, state }, counts[state] ?? 0);
}
