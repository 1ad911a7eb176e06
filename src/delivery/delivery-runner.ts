import pLimit from 'p-limit';
import type { LimitFunction } from 'p-limit';
import type { Logger } from '../platform/logger.ts';
import { monotonicMs } from '../platform/time.ts';
import type { ConversationId } from '../vocabulary/ids.ts';

/** Conversations whose next send waits for its time in this process. Beyond that the sweeper finds them. */
const WAITING_MAX = 20_000;

interface Running {
  readonly done: Promise<void>;
  /** Somebody asked meanwhile: this run may have looked before the new row was there. */
  again: boolean;
}

interface Waiting {
  readonly timer: NodeJS.Timeout;
  readonly dueAt: number;
}

/**
 * Runs deliveries in this process, now or when they are due, a bounded number at once and never two of one conversation.
 *
 * What waits here is only a reminder: if the process ends, the row says when it is due, and the sweeper looks.
 */
export class DeliveryRunner {
  readonly #deliver: (id: ConversationId) => Promise<void>;
  readonly #log: Logger;
  readonly #limit: LimitFunction;
  readonly #waiting = new Map<ConversationId, Waiting>();
  readonly #running = new Map<ConversationId, Running>();
  #isClosed = false;

  constructor(deliver: (id: ConversationId) => Promise<void>, concurrency: number, log: Logger) {
    this.#deliver = deliver;
    this.#limit = pLimit(concurrency);
    this.#log = log;
  }

  /** Delivers after `delayMs`, or earlier if somebody asks earlier. */
  ring(id: ConversationId, delayMs = 0): void {
    if (this.#isClosed) return;
    const dueAt = monotonicMs() + delayMs;
    const waiting = this.#waiting.get(id);
    if (waiting !== undefined && waiting.dueAt <= dueAt) return;
    clearTimeout(waiting?.timer);
    if (waiting === undefined && this.#waiting.size >= WAITING_MAX) return;
    const timer = setTimeout(() => {
      this.#waiting.delete(id);
      void this.run(id);
    }, delayMs);
    this.#waiting.set(id, { timer, dueAt });
  }

  /** Delivers now. Never rejects: what went wrong is logged, and the row is still there for the next run. */
  async run(id: ConversationId): Promise<void> {
    const before = this.#running.get(id);
    if (before !== undefined) {
      before.again = true;
      await before.done;
      return;
    }
    const done = this.#limit(() => this.#deliver(id))
      .catch((error: unknown) => {
        this.#log.error({ err: error, conversationId: id }, 'A delivery run failed');
      })
      .finally(() => {
        this.#running.delete(id);
        if (running.again) this.ring(id);
      });
    const running: Running = { done, again: false };
    this.#running.set(id, running);
    await done;
  }

  /** Runs other work in one of the places of deliveries, when it is free. */
  async inLine(work: () => Promise<void>): Promise<void> {
    await this.#limit(work);
  }

  /** Starts nothing new, and waits for what is being sent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { timer } of this.#waiting.values()) clearTimeout(timer);
    this.#waiting.clear();
    await Promise.all([...this.#running.values()].map((running) => running.done));
  }
}
