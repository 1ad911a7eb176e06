import type { Queue } from 'bullmq';
import { currentContext } from './platform/context.ts';
import type { Logger } from './platform/logger.ts';
import { createQueue, messagingAttributes } from './platform/queue.ts';
import type { RedisConnection, RedisHealth } from './platform/redis.ts';
import { monotonicMs } from './platform/time.ts';
import { currentTraceparent, inSpan } from './platform/tracing.ts';
import type { ConversationId, DocumentId } from './vocabulary/ids.ts';
import { HEARTBEAT_JOB } from './vocabulary/jobs.ts';
import type { JobData } from './vocabulary/jobs.ts';

/**
 * Rings that may be on their way to Redis at once, and rings of one process in a second: more than several workers can
 * answer. Beyond either there is a flood, and they are dropped: the workers are busy anyway, the sweeper finds the work,
 * and intake keeps its processor for accepting [measured: a ring costs a quarter of a webhook].
 */
const UNDER_WAY_MAX = 200;
const PER_SECOND_MAX = 1_000;

/**
 * Tells the workers that there is something to do.
 *
 * A ring carries an id and nothing else, is never waited for and never fails: what it is about is in PostgreSQL, and who
 * looks there finds it without any ring.
 */
export class Bell {
  readonly #turns: Queue<JobData<'take-turn'>>;
  readonly #deliveries: Queue<JobData<'deliver-messages'>>;
  readonly #documents: Queue<JobData<'index-document'>>;
  readonly #health: RedisHealth;
  readonly #log: Logger;
  readonly #underWay = new Set<Promise<unknown>>();
  #second = 0;
  #rungInSecond = 0;

  constructor(redis: RedisConnection, health: RedisHealth, log: Logger) {
    this.#turns = createQueue('take-turn', redis, log);
    this.#deliveries = createQueue('deliver-messages', redis, log);
    this.#documents = createQueue('index-document', redis, log);
    this.#health = health;
    this.#log = log;
  }

  /** All queues, for those who measure them. */
  get queues(): readonly Queue[] {
    return [this.#turns, this.#deliveries, this.#documents];
  }

  /**
   * Rings a conversation's mailbox after `delayMs`. Rings that come meanwhile move the one that waits, so a burst is one
   * wake; one that comes while the turn runs is kept for after it.
   */
  ringTurn(conversationId: ConversationId, delayMs: number): void {
    this.#ring(this.#turns, () =>
      this.#turns.add(
        'take-turn',
        { conversationId, ...traced() },
        {
          delay: Math.max(0, Math.ceil(delayMs)),
          deduplication: { id: `c-${conversationId}`, keepLastIfActive: true, reschedule: true },
        },
      ),
    );
  }

  ringDelivery(conversationId: ConversationId, delayMs = 0): void {
    this.#ring(this.#deliveries, () =>
      this.#deliveries.add(
        'deliver-messages',
        { conversationId, ...traced() },
        { delay: Math.max(0, Math.ceil(delayMs)) },
      ),
    );
  }

  ringDocument(documentId: DocumentId): void {
    this.#ring(this.#documents, () =>
      this.#documents.add('index-document', { documentId, ...traced() }, { deduplication: { id: `d-${documentId}` } }),
    );
  }

  /** Sends a heartbeat through a queue. While one is in there, later ones are left out: its age shows how long the queue is. */
  ringHeartbeat(queueName: 'take-turn' | 'deliver-messages', beatAt: string): void {
    const queue: Queue = queueName === 'take-turn' ? this.#turns : this.#deliveries;
    this.#send(() => queue.add(HEARTBEAT_JOB, { beatAt }, { deduplication: { id: HEARTBEAT_JOB } }));
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#underWay);
    await Promise.allSettled(this.queues.map((queue) => queue.close()));
  }

  #ring({ name }: { readonly name: string }, add: () => Promise<unknown>): void {
    const producing = { kind: 'producer', attributes: messagingAttributes(name, 'send') } as const;
    this.#send(() => inSpan(`send ${name}`, producing, add));
  }

  #send(add: () => Promise<unknown>): void {
    if (!this.#health.isUp || this.#underWay.size >= UNDER_WAY_MAX || this.#isFlood()) return;
    const ringing = add()
      .catch((error: unknown) => {
        this.#log.debug({ err: error }, 'A bell could not be rung; the sweeper will find the work');
      })
      .finally(() => this.#underWay.delete(ringing));
    this.#underWay.add(ringing);
  }

  #isFlood(): boolean {
    const second = Math.floor(monotonicMs() / 1_000);
    if (second !== this.#second) [this.#second, this.#rungInSecond] = [second, 0];
    this.#rungInSecond += 1;
    return this.#rungInSecond > PER_SECOND_MAX;
  }
}

function traced(): { requestId?: string; traceparent?: string } {
  const { requestId } = currentContext();
  const traceparent = currentTraceparent();
  return { ...(requestId === undefined ? {} : { requestId }), ...(traceparent === undefined ? {} : { traceparent }) };
}
