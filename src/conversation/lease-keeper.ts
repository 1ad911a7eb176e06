import type { Logger } from '../platform/logger.ts';
import { monotonicMs } from '../platform/time.ts';
import { LEASE_MS, RENEW_EVERY_MS } from './conversation-store.ts';
import type { ConversationStore } from './conversation-store.ts';
import type { Turn } from './conversation.ts';
import type { ConversationId } from '../vocabulary/ids.ts';

/** A lease that this process holds. */
export interface HeldLease {
  /** Aborts when the lease is no longer ours, cannot be known to be, or has been held for too long. */
  readonly signal: AbortSignal;
  /** The turn has ended and has given the lease back. */
  drop(): void;
  /** The turn has ended and could not give the lease back, e.g. because the database is away: it is done as soon as it can be. */
  owe(): void;
}

interface Held {
  readonly conversationId: string;
  readonly fence: string;
  readonly lost: AbortController;
  readonly heldUntil: number;
  renewedAt: number;
}

type LeaseStore = Pick<ConversationStore, 'renewLeases' | 'giveBackLeases' | 'giveBackUnheard'>;

/** Said by an aborted turn's signal: somebody else may hold the conversation now. */
export class LeaseLost extends Error {
  constructor() {
    super('The lease on the conversation was lost');
    this.name = 'LeaseLost';
  }
}

/**
 * How long a lease is looked for that this process may have got without hearing of it: a frozen database runs what it was
 * sent before it froze, and the answer finds nobody.
 */
const DOUBT_MS = 30_000;
const DOUBTS_MAX = 1_000;

/** How much longer than its deadline a turn may take: the commit and what follows it. */
const MARGIN_MS = 10_000;

/**
 * Renews all leases of this process together, and tells each turn the moment it should stop.
 *
 * What a living process loses or gives up it also gives back. Only what a dead one held is left to end by itself, and that
 * is how the dead are known.
 */
export class LeaseKeeper {
  readonly #store: LeaseStore;
  readonly #holder: string;
  readonly #log: Logger;
  readonly #held = new Set<Held>();
  /** To be given back. Each is of a turn that this process has run, so there are never more than it runs in an outage. */
  readonly #owed = new Set<Held>();
  /** Conversations whose lease may be ours, and until when that is worth a look. */
  readonly #doubts = new Map<ConversationId, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(store: LeaseStore, holder: string, log: Logger) {
    this.#store = store;
    this.#holder = holder;
    this.#log = log;
    this.#timer = setInterval(() => void this.#look(), RENEW_EVERY_MS);
  }

  /** @param turnMs how long the turn may take. A turn that hangs must not keep its conversation for as long as we live. */
  hold(turn: Turn, turnMs: number): HeldLease {
    const held: Held = {
      conversationId: turn.conversationId,
      fence: turn.fence,
      lost: new AbortController(),
      heldUntil: monotonicMs() + turnMs + MARGIN_MS,
      renewedAt: monotonicMs(),
    };
    this.#held.add(held);
    this.#doubts.delete(turn.conversationId);
    return {
      signal: held.lost.signal,
      drop: () => this.#held.delete(held),
      owe: () => {
        this.#owe(held);
      },
    };
  }

  /** The lease was asked for and no answer came: if it was given, nobody knows that they have it. */
  doubt(id: ConversationId): void {
    if (this.#doubts.size < DOUBTS_MAX) this.#doubts.set(id, monotonicMs() + DOUBT_MS);
  }

  get size(): number {
    return this.#held.size;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    for (const held of this.#held) {
      if (monotonicMs() < held.heldUntil) continue;
      this.#log.error({ conversationId: held.conversationId }, 'A turn hangs; its lease is taken from it');
      this.#owe(held);
    }
    await Promise.all([this.#renew(), this.#giveBack(), this.#resolveDoubts()]);
  }

  async #resolveDoubts(): Promise<void> {
    for (const [id, until] of this.#doubts) if (monotonicMs() > until) this.#doubts.delete(id);
    if (this.#doubts.size === 0) return;
    try {
      const found = await this.#store.giveBackUnheard(this.#holder, [...this.#doubts.keys()]);
      for (const id of found) this.#doubts.delete(id);
    } catch (error) {
      this.#log.warn({ err: error, leases: this.#doubts.size }, 'Leases that may be ours could not be looked for');
    }
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
      for (const held of asked) if (monotonicMs() - held.renewedAt >= LEASE_MS) this.#owe(held);
    }
  }

  async #giveBack(): Promise<void> {
    const owed = [...this.#owed];
    if (owed.length === 0) return;
    try {
      await this.#store.giveBackLeases(this.#holder, owed);
      for (const held of owed) this.#owed.delete(held);
    } catch (error) {
      this.#log.warn({ err: error, leases: owed.length }, 'Leases could not be given back');
    }
  }

  #owe(held: Held): void {
    this.#owed.add(held);
    this.#lose(held);
  }

  #lose(held: Held): void {
    // A turn that has just ended is not held any more, and has nothing left to stop.
    if (this.#held.delete(held)) held.lost.abort(new LeaseLost());
  }
}
