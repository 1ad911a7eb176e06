import type { Logger } from './logger.ts';

export interface RoundsOptions {
  /** For the log. */
  readonly name: string;
  /** From the end of one round to the beginning of the next. */
  readonly everyMs: number;
  /** One round. @returns how much it found: while there is something, the next round follows at once. */
  readonly run: () => Promise<number>;
  readonly log: Logger;
}

/** Runs something again and again, never twice at once. Whatever goes wrong in a round, there is a next one. */
export class Rounds {
  readonly #options: RoundsOptions;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#schedule(0);
  }

  /** Starts no new round, and waits for the one that has begun. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#round;
  }

  #schedule(afterMs: number): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#round = this.#once().then((found) => {
        this.#schedule(found > 0 ? 0 : this.#options.everyMs);
      });
    }, afterMs);
  }

  async #once(): Promise<number> {
    const { name, run, log } = this.#options;
    try {
      return await run();
    } catch (error) {
      log.warn({ err: error, rounds: name }, 'A round failed');
      return 0;
    }
  }
}
