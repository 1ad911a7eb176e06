import type { Logger } from './logger.ts';
import { monotonicMs } from './time.ts';

/** What a cool-down needs of Redis. */
export interface CooldownMemory {
  /** Milliseconds left to live; negative when there is no such key. */
  pttl(key: string): Promise<number>;
  set(key: string, value: string, unit: 'PX', ms: number): Promise<unknown>;
}

export interface CooldownNeeds {
  readonly memory: CooldownMemory;
  readonly health: { readonly isUp: boolean };
  readonly log: Logger;
}

/** A wrong answer from the other side must not silence us for a day. */
const COOLDOWN_MAX_MS = 3_600_000;
/** How long "no cool-down" is believed. In this time another process may have started one, at the price of one call. */
const BELIEVED_MS = 250;

interface Known {
  /** On the monotonic clock: no call before this. */
  until: number;
  /** On the monotonic clock: when the others are asked again. */
  askAgainAt: number;
  asking: Promise<void> | undefined;
}

/**
 * "Do not call this before then", for all processes.
 *
 * Shared through Redis and remembered here; without Redis each process learns it for itself. Names come from the
 * configuration (models, not people), so what is remembered is bounded.
 */
export class SharedCooldown {
  readonly #needs: CooldownNeeds;
  readonly #known = new Map<string, Known>();

  constructor(needs: CooldownNeeds) {
    this.#needs = needs;
  }

  /** Milliseconds until `name` may be called; 0 when it may be called now. Never throws. */
  async remainingMs(name: string): Promise<number> {
    const known = this.#knownOf(name);
    if (known.until <= monotonicMs() && known.askAgainAt <= monotonicMs() && this.#needs.health.isUp) {
      // Callers that come at the same time share one question.
      known.asking ??= this.#ask(name, known).finally(() => {
        known.asking = undefined;
      });
      await known.asking;
    }
    return Math.max(0, Math.ceil(known.until - monotonicMs()));
  }

  /** Starts a cool-down, or makes one longer; never makes one shorter, and none lasts longer than an hour. */
  async start(name: string, ms: number): Promise<void> {
    const bounded = Math.min(Math.ceil(ms), COOLDOWN_MAX_MS);
    if (!(bounded > 0)) return;
    const known = this.#knownOf(name);
    known.until = Math.max(known.until, monotonicMs() + bounded);
    if (!this.#needs.health.isUp) return;
    try {
      // Two processes may both pass this test and the shorter wait may be written last; each still keeps its own.
      if ((await this.#needs.memory.pttl(keyOf(name))) < bounded) {
        await this.#needs.memory.set(keyOf(name), '1', 'PX', bounded);
      }
    } catch (error) {
      this.#needs.log.warn({ err: error, cooldown: name }, 'A cool-down could not be shared');
    }
  }

  async #ask(name: string, known: Known): Promise<void> {
    try {
      const left = await this.#needs.memory.pttl(keyOf(name));
      known.until = Math.max(known.until, monotonicMs() + Math.min(left, COOLDOWN_MAX_MS));
    } catch (error) {
      this.#needs.log.debug({ err: error, cooldown: name }, 'A shared cool-down could not be read');
    }
    known.askAgainAt = monotonicMs() + BELIEVED_MS;
  }

  #knownOf(name: string): Known {
    const known = this.#known.get(name) ?? { until: 0, askAgainAt: 0, asking: undefined };
    this.#known.set(name, known);
    return known;
  }
}

function keyOf(name: string): string {
  return `cooldown:${name}`;
}
