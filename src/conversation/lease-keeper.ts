import type { Logger } from '../platform/logger.ts';
import { monotonicMs } from '../platform/time.ts';
import { LEASE_MS, RENEW_EVERY_MS } from './conversation-store.ts';
import type { ConversationStore } from './conversation-store.ts';
import type { Turn } from './conversation.ts';

/** A lease that this process holds. */
export interface HeldLease {
  /** Aborts when the lease is no longer ours, or cannot be known to be. */
  readonly signal: AbortSignal;
  drop(): void;
}

interface Held {
  readonly conversationId: string;
  readonly fence: string;
  readonly lost: AbortController;
  renewedAt: number;
}

/** Said by an aborted turn's signal: somebody else may hold the conversation now. */
export class LeaseLost extends Error {
  constructor() {
    super('The lease on the conversation was lost');
    this.name = 'LeaseLost';
  }
}

/** Renews all leases of this process together, and tells each turn the moment it should stop. */
export class LeaseKeeper {
  readonly #store: Pick<ConversationStore, 'renewLeases'>;
  readonly #holder: string;
  readonly #log: Logger;
  readonly #held = new Set<Held>();
  readonly #timer: NodeJS.Timeout;

  constructor(store: Pick<ConversationStore, 'renewLeases'>, holder: string, log: Logger) {
    this.#store = store;
    this.#holder = holder;
    this.#log = log;
    this.#timer = setInterval(() => void this.#renew(), RENEW_EVERY_MS);
  }

  hold(turn: Turn): HeldLease {
    const held: Held = {
      conversationId: turn.conversationId,
      fence: turn.fence,
      lost: new AbortController(),
      renewedAt: monotonicMs(),
    };
    this.#held.add(held);
    return { signal: held.lost.signal, drop: () => this.#held.delete(held) };
  }

  get size(): number {
    return this.#held.size;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #renew(): Promise<void> {
    const asked = [...this.#held];
    if (asked.length === 0) return;
    const askedAt = monotonicMs();
    try {
      const still = await this.#store.renewLeases(this.#holder, asked);
      for (const held of asked) {
        if (still.has(held.conversationId)) held.renewedAt = askedAt;
        else this.#lose(held);
      }
    } catch (error) {
      this.#log.warn({ err: error, leases: asked.length }, 'Leases could not be renewed');
      // Nobody can have taken a lease before its end, so until then there is nothing to stop.
      for (const held of asked) if (monotonicMs() - held.renewedAt >= LEASE_MS) this.#lose(held);
    }
  }

  #lose(held: Held): void {
    // A turn that has just ended is not held any more, and has nothing left to stop.
    if (this.#held.delete(held)) held.lost.abort(new LeaseLost());
  }
}
