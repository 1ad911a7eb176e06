import pLimit from 'p-limit';
import { Gauge } from 'prom-client';
import type { Manner } from '../conversation/take-turn.ts';
import type { Logger } from '../platform/logger.ts';
import { registry } from '../platform/metrics.ts';
import { promiseViolated } from '../vocabulary/events.ts';
import type { PromiseViolated } from '../vocabulary/events.ts';
import type { ConversationId } from '../vocabulary/ids.ts';
import type { Violation } from './promise.ts';

/** What the watchdog needs from the rest of the system, and nothing more. */
export interface WatchdogNeeds {
  readonly findViolations: () => Promise<readonly Violation[]>;
  /** The same flows that everybody calls, but not in line with what this process is busy with. They never reject. */
  readonly takeTurn: (id: ConversationId, manner: Manner) => Promise<unknown>;
  readonly deliver: (id: ConversationId) => Promise<unknown>;
  /** Gives a conversation to a person whose answer does not get out. */
  readonly callPerson: (id: ConversationId) => Promise<void>;
  readonly monotonicMs: () => number;
  readonly log: Logger;
}

export const LOOK_EVERY_MS = 5_000;
/** After this long the knowledge alone has to do: whatever keeps the models' answer away has had its time. */
export const OFFLINE_AFTER_MS = 60_000;
/** After this long a person is called. With one more look and the turn itself that is within two minutes. */
export const PERSON_AFTER_MS = 90_000;
/** Looks that failed or did not happen for this long: the database was away, or we were, and so was everybody else. */
const BLIND_AFTER_MS = 3 * LOOK_EVERY_MS;
const REPAIRS_AT_ONCE = 8;

const oldestViolation = new Gauge({
  name: 'plantao_promise_oldest_violation_seconds',
  help: 'How long the customer has waited who has waited longest of those whom nobody looks after in time; 0 when there is none.',
  registers: [registry],
});

type Repair = PromiseViolated['repair'];

/**
 * Checks the promise itself, whatever was to keep it: no customer waits without somebody on it. It says how old the oldest
 * violation is, and repairs: it wakes, then it answers without a model, then it calls a person.
 *
 * Every worker has one. Two that repair the same at once do it once, because all goes through the fenced lease.
 *
 * It acts on what has stayed wrong while it was looking: after an outage of everything the ordinary way comes first.
 */
export class Watchdog {
  readonly #needs: WatchdogNeeds;
  readonly #limit = pLimit(REPAIRS_AT_ONCE);
  readonly #repairing = new Map<string, Promise<void>>();
  /** What was done last about each violation that is still there, so that each step is told once. */
  #told = new Map<string, Repair>();
  #watchingSince: number;
  #lookedAt: number;
  #looking: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(needs: WatchdogNeeds) {
    this.#needs = needs;
    this.#watchingSince = needs.monotonicMs();
    this.#lookedAt = this.#watchingSince;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#looking ??= this.look().finally(() => {
        this.#looking = undefined;
      });
    }, LOOK_EVERY_MS);
    this.#timer.unref();
  }

  /** One look, and a repair begun for everything that it finds. Never rejects. */
  async look(): Promise<void> {
    const startedAt = this.#needs.monotonicMs();
    try {
      const found = await this.#needs.findViolations();
      if (startedAt - this.#lookedAt > BLIND_AFTER_MS) this.#watchingSince = startedAt;
      this.#lookedAt = startedAt;
      oldestViolation.set(Math.max(0, ...found.map((it) => it.waitedMs)) / 1_000);
      const repairs = found.map((violation) => [violation, this.#repairFor(violation)] as const);
      for (const [violation, repair] of repairs) this.#repair(violation, repair);
      this.#told = new Map(repairs.map(([violation, repair]) => [keyOf(violation), repair]));
    } catch (error) {
      this.#needs.log.warn({ err: error }, 'The watchdog could not look');
    }
  }

  /** Looks no more, and waits for what it has begun. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
    await Promise.all(this.#repairing.values());
  }

  #repairFor({ stuck, strandedMs, isPersons }: Violation): Repair {
    if (strandedMs === undefined) return 'none';
    const wrongForMs = Math.min(strandedMs, this.#needs.monotonicMs() - this.#watchingSince);
    if (wrongForMs >= PERSON_AFTER_MS && !isPersons) return 'person';
    return wrongForMs >= OFFLINE_AFTER_MS && stuck === 'turn' ? 'offline' : 'wake';
  }

  #repair(violation: Violation, repair: Repair): void {
    const key = keyOf(violation);
    const { conversationId, stuck, waitedMs } = violation;
    if (this.#told.get(key) !== repair) {
      promiseViolated(this.#needs.log, { conversationId, stuck, repair, waitedMs: Math.round(waitedMs) });
    }
    if (repair === 'none' || this.#repairing.has(key)) return;
    const done = this.#limit(() => this.#act(violation, repair))
      .catch((error: unknown) => {
        this.#needs.log.error({ err: error, conversationId }, 'A repair failed; it will be tried again');
      })
      .then(() => {
        this.#repairing.delete(key);
      });
    this.#repairing.set(key, done);
  }

  async #act({ stuck, conversationId }: Violation, repair: Exclude<Repair, 'none'>): Promise<void> {
    if (stuck === 'turn') await this.#needs.takeTurn(conversationId, repair === 'wake' ? 'model' : repair);
    else if (repair === 'person') await this.#needs.callPerson(conversationId);
    else await this.#needs.deliver(conversationId);
  }
}

function keyOf({ stuck, conversationId }: Violation): string {
  return `${stuck} ${conversationId}`;
}
