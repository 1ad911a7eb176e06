import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { Gauge } from 'prom-client';
import type { Logger } from '../platform/logger.ts';
import { registry } from '../platform/metrics.ts';
import { monotonicMs } from '../platform/time.ts';
import type { Schema } from '../vocabulary/schema.ts';

/*
 * A heartbeat is a customer's message without a customer: intake writes it, the queue of turns carries it, a worker rings
 * its delivery, the queue of deliveries carries it to its end. How old the newest one is that has come through says whether
 * customers come through, also at night when nobody writes, and also where nothing else would tell.
 *
 * The table heartbeat is this file's own. It has one row a stage and belongs to no tenant.
 */

/** In the order in which they are passed. A closed set: it is also a metric label. */
const STAGES = ['intake', 'turn', 'delivery'] as const;
export type HeartbeatStage = (typeof STAGES)[number];

/** One for the whole installation, however many services there are. Fresh enough for an alert after a minute. */
const BEAT_EVERY_MS = 10_000;
/** How often each service looks whether one is due: by so much they are apart at most further than that. */
const LOOK_EVERY_MS = 2_500;

/** When the newest heartbeat was made that has passed a stage, on the clock of this process. */
const madeAt = new Map<string, number>();

new Gauge({
  name: 'plantao_heartbeat_age_seconds',
  help: 'Age of the newest heartbeat that has passed a stage. One is made every ten seconds; where this grows, customers wait.',
  labelNames: ['stage'],
  registers: [registry],
  // Reckoned at the scrape: while the database cannot be asked, the age must grow and not stay as it was.
  collect() {
    for (const [stage, at] of madeAt) this.set({ stage }, Math.max(0, monotonicMs() - at) / 1_000);
  },
});

/** Learns how far the heartbeats have come. A stage that none has passed yet counts from when this process first looked. */
export async function measureHeartbeats(db: Kysely<Schema>): Promise<void> {
  const startedAt = monotonicMs();
  for (const stage of STAGES) if (!madeAt.has(stage)) madeAt.set(stage, startedAt);
  for (const { stage, age_ms } of await newestBeats(db)) madeAt.set(stage, monotonicMs() - age_ms);
}

interface NewestBeat {
  readonly stage: HeartbeatStage;
  readonly beat_at: Date;
  readonly age_ms: number;
}

async function newestBeats(db: Kysely<Schema>): Promise<readonly NewestBeat[]> {
  const { rows } = await sql<NewestBeat>`
    select stage, beat_at, (extract(epoch from clock_timestamp() - beat_at) * 1000)::float8 as age_ms
      from heartbeat`.execute(db);
  return rows;
}

export interface HeartNeeds {
  /** Intake's own pool: what stops a webhook stops a heartbeat. */
  readonly db: Kysely<Schema>;
  /** Rings without waiting and never throws. */
  readonly ring: (beatAt: string) => void;
  readonly log: Logger;
}

/** Makes the heartbeats. Every service has one, and together they make one every ten seconds. */
export class Heart {
  readonly #needs: HeartNeeds;
  #timer: NodeJS.Timeout | undefined;
  #beating: Promise<void> | undefined;

  constructor(needs: HeartNeeds) {
    this.#needs = needs;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#beating ??= this.beat().finally(() => {
        this.#beating = undefined;
      });
    }, LOOK_EVERY_MS);
    this.#timer.unref();
  }

  /** Makes one if one is due. Never rejects: what keeps it from beating is seen by its age. */
  async beat(): Promise<void> {
    try {
      const beatAt = await makeBeat(this.#needs.db);
      if (beatAt !== undefined) this.#needs.ring(beatAt.toISOString());
      await measureHeartbeats(this.#needs.db);
    } catch (error) {
      this.#needs.log.debug({ err: error }, 'A heartbeat could not be made');
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#beating;
  }
}

/**
 * By the database's clock, in whole milliseconds, because that is what a job can carry. Of two services that come together
 * the second finds it made. A heartbeat of the future, after the clock was set back, holds nobody up.
 *
 * @returns undefined when the newest one is young enough.
 */
async function makeBeat(db: Kysely<Schema>): Promise<Date | undefined> {
  const { rows } = await sql<{ beat_at: Date }>`
    with clock as (select date_trunc('milliseconds', clock_timestamp()) as now)
    insert into heartbeat (stage, beat_at)
    select 'intake', now from clock
     where not exists (select from heartbeat
                        where stage = 'intake' and beat_at between now - ${BEAT_EVERY_MS} * interval '1 ms' and now)
        on conflict (stage) do update set beat_at = excluded.beat_at
     where heartbeat.beat_at not between excluded.beat_at - ${BEAT_EVERY_MS} * interval '1 ms' and excluded.beat_at
    returning beat_at`.execute(db);
  return rows[0]?.beat_at;
}

/** A line in which the work of customers stands, and now and then a heartbeat. */
type Line = (work: () => Promise<void>) => Promise<void>;

export interface HeartbeatNeeds {
  readonly db: Kysely<Schema>;
  /** The places that turns and deliveries wait for in this process. */
  readonly turns: Line;
  readonly deliveries: Line;
  /** Rings without waiting and never throws. */
  readonly ringDelivery: (beatAt: string) => void;
  readonly log: Logger;
}

/** Carries the heartbeats through a worker, in line with the work of customers. Nothing of it rejects. */
export class HeartbeatCarrier {
  readonly #needs: HeartbeatNeeds;

  constructor(needs: HeartbeatNeeds) {
    this.#needs = needs;
  }

  /** A heartbeat has come through the queue of turns. Safe to repeat: an older one changes nothing. */
  async passTurn(beatAt: string): Promise<void> {
    const isPassed = await this.#pass('turn', { beatAt: new Date(beatAt), line: this.#needs.turns });
    if (isPassed) this.#needs.ringDelivery(beatAt);
  }

  /** A heartbeat has come through the queue of deliveries. Safe to repeat. */
  async passDelivery(beatAt: string): Promise<void> {
    await this.#pass('delivery', { beatAt: new Date(beatAt), line: this.#needs.deliveries });
  }

  /** Without Redis: what the queues would carry now is looked for, as customers who wait are. */
  async carry(): Promise<void> {
    const beats = await newestBeats(this.#needs.db).catch(() => []);
    const at = (stage: HeartbeatStage): Date => beats.find((it) => it.stage === stage)?.beat_at ?? new Date(0);
    if (at('intake') > at('turn')) await this.passTurn(at('intake').toISOString());
    else if (at('turn') > at('delivery')) await this.passDelivery(at('turn').toISOString());
  }

  async #pass(stage: HeartbeatStage, { beatAt, line }: { beatAt: Date; line: Line }): Promise<boolean> {
    try {
      await line(async () => {
        await sql`
          insert into heartbeat (stage, beat_at) values (${stage}, ${beatAt})
              on conflict (stage) do update set beat_at = excluded.beat_at
           where heartbeat.beat_at < excluded.beat_at or heartbeat.beat_at > clock_timestamp()`.execute(this.#needs.db);
      });
      return true;
    } catch (error) {
      this.#needs.log.debug({ err: error, stage }, 'A heartbeat was lost; there will be another one');
      return false;
    }
  }
}
