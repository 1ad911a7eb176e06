import type { Logger } from '../platform/logger.ts';
import { monotonicMs } from '../platform/time.ts';
import { sweeperFound } from '../vocabulary/events.ts';
import type { ConversationId, DocumentId } from '../vocabulary/ids.ts';

/** What the sweeper needs from the rest of the system, and nothing more. */
export interface SweeperNeeds {
  readonly redis: { readonly isUp: boolean };
  readonly findTurns: (options: { graceMs: number; limit: number }) => Promise<readonly ConversationId[]>;
  readonly findDeliveries: (options: { graceMs: number; limit: number }) => Promise<readonly ConversationId[]>;
  readonly findDocuments: (olderThanMs: number) => Promise<readonly DocumentId[]>;
  /** The same functions that the queues call, under the same limits. They never reject. */
  readonly takeTurn: (id: ConversationId) => Promise<unknown>;
  readonly deliver: (id: ConversationId) => Promise<unknown>;
  readonly indexDocument: (id: DocumentId) => Promise<unknown>;
  /** Applies what was recorded and has changed nothing yet, a bounded step at a time. Returns how much it settled. */
  readonly applyLateChanges: () => Promise<number>;
  /** Carries a heartbeat that no queue carries now, one stage further. Never rejects. */
  readonly carryHeartbeat: () => Promise<void>;
  /** Forgets what has been kept long enough, a bounded step at a time. Returns how much it found. */
  readonly purge: () => Promise<number>;
  readonly log: Logger;
}

/** While Redis rings, only what it has missed is ours; without it we are the only ones who look. */
const CALM = { everyMs: 1_000, turnGraceMs: 2_000, deliveryGraceMs: 1_500, documentGraceMs: 5_000 };
const ALONE = { everyMs: 100, turnGraceMs: 0, deliveryGraceMs: 0, documentGraceMs: 500 };
/** One round takes at most this much; the next one follows at once while there is more. */
const FOUND_MAX = 200;
/** Found and not done yet. Beyond this nothing more is looked for: there is nobody free to do it. */
const UNDER_WAY_MAX = 1_000;
/** Retention is a matter of days; an hour more or less is none. */
const PURGE_EVERY_MS = 3_600_000;
/** A change is late after some seconds; looked for less often than customers who wait. */
const CHANGES_EVERY_MS = 5_000;
/** There is one every ten seconds, and each is carried twice. */
const HEARTBEAT_EVERY_MS = 1_000;

type FoundWork = 'turn' | 'delivery' | 'document';

/**
 * Finds what nobody is doing: a wake that was lost, a Redis that was wiped, a process that died.
 *
 * It feeds the very functions that the queues feed. With Redis gone it is the queue: the workers poll and go on.
 */
export class Sweeper {
  readonly #needs: SweeperNeeds;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  #isClosed = false;
  /** Beside the work that people wait for. While a step of one finds something, its next one follows in the next round. */
  readonly #chores: { run: () => Promise<number>; everyMs: number; dueAt: number }[];
  /** What is being done is found again until it is done, and must not be begun twice. */
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(needs: SweeperNeeds) {
    this.#needs = needs;
    this.#chores = [
      { run: needs.applyLateChanges, everyMs: CHANGES_EVERY_MS, dueAt: 0 },
      { run: () => this.#carryHeartbeat(), everyMs: HEARTBEAT_EVERY_MS, dueAt: 0 },
      { run: needs.purge, everyMs: PURGE_EVERY_MS, dueAt: 0 },
    ];
  }

  start(): void {
    this.#schedule(0);
  }

  /** Starts no new round, and waits for what it has begun. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#round;
    await Promise.all(this.#underWay.values());
  }

  #schedule(afterMs: number): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#round = this.#sweep().then((isMore) => {
        this.#schedule(isMore ? 0 : this.#pace().everyMs);
      });
    }, afterMs);
  }

  #pace(): typeof CALM {
    return this.#needs.redis.isUp ? CALM : ALONE;
  }

  /**
   * One round. Whatever goes wrong, there is a next one.
   *
   * It waits for nothing that it begins: one slow turn would otherwise hold up every other customer.
   */
  async #sweep(): Promise<boolean> {
    const pace = this.#pace();
    if (this.#underWay.size >= UNDER_WAY_MAX) return false;
    try {
      const [turns, deliveries, documents] = await Promise.all([
        this.#needs.findTurns({ graceMs: pace.turnGraceMs, limit: FOUND_MAX }),
        this.#needs.findDeliveries({ graceMs: pace.deliveryGraceMs, limit: FOUND_MAX }),
        this.#needs.findDocuments(pace.documentGraceMs),
      ]);
      const begun = [
        this.#begin('turn', turns, (id) => this.#needs.takeTurn(id)),
        this.#begin('delivery', deliveries, (id) => this.#needs.deliver(id)),
        this.#begin('document', documents, (id) => this.#needs.indexDocument(id)),
      ];
      for (const chore of this.#chores.filter(({ dueAt }) => monotonicMs() >= dueAt)) {
        if ((await chore.run()) === 0) chore.dueAt = monotonicMs() + chore.everyMs;
      }
      return begun.includes(FOUND_MAX);
    } catch (error) {
      this.#needs.log.warn({ err: error }, 'A round of the sweeper failed');
      return false;
    }
  }

  /** @returns how many of them were not under way already. */
  #begin<Id extends string>(work: FoundWork, ids: readonly Id[], run: (id: Id) => Promise<unknown>): number {
    const fresh = ids.filter((id) => !this.#underWay.has(`${work} ${id}`));
    for (const id of fresh) {
      const key = `${work} ${id}`;
      const done = run(id)
        .catch((error: unknown) => {
          this.#needs.log.error({ err: error, work }, 'What the sweeper began has failed');
        })
        .then(() => {
          this.#underWay.delete(key);
        });
      this.#underWay.set(key, done);
    }
    this.#report(work, fresh.length);
    return fresh.length;
  }

  /** Only while Redis is away: a heartbeat that went around its queue would hide what it is to show. It is not waited for. */
  #carryHeartbeat(): Promise<number> {
    if (!this.#needs.redis.isUp && !this.#underWay.has('heartbeat')) {
      const done = this.#needs.carryHeartbeat().then(() => {
        this.#underWay.delete('heartbeat');
      });
      this.#underWay.set('heartbeat', done);
    }
    return Promise.resolve(0);
  }

  #report(work: FoundWork, count: number): void {
    // Without Redis finding work is the ordinary case and not worth a line each time.
    if (count > 0 && this.#needs.redis.isUp) sweeperFound(this.#needs.log, { work, count });
  }
}
