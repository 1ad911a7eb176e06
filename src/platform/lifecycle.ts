import type { Logger } from './logger.ts';
import { pause } from './time.ts';

/** Everything that was opened and must be closed: the last opened closes first, one failure never hides another. */
export class Lifecycle {
  readonly #log: Logger;
  readonly #open: { name: string; close: () => unknown }[] = [];
  #closing: Promise<void> | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Remembers how to close a thing and hands the thing back. */
  keep<T>(name: string, thing: T, close: (thing: T) => unknown): T {
    this.#open.push({ name, close: () => close(thing) });
    return thing;
  }

  /**
   * Closes everything, once, however often it is called.
   *
   * @param stepMs how long one thing may take; what is slower is reported and left behind.
   */
  async close(stepMs = 10_000): Promise<void> {
    this.#closing ??= this.#closeAll(stepMs);
    await this.#closing;
  }

  async #closeAll(stepMs: number): Promise<void> {
    for (const { name, close } of this.#open.reverse()) {
      const done = new AbortController();
      const late = async (): Promise<never> => {
        await pause(stepMs, done.signal);
        throw new Error(`${name} did not close within ${stepMs} ms`);
      };
      try {
        await Promise.race([Promise.resolve(close()), late()]);
      } catch (error) {
        this.#log.error({ err: error, part: name }, 'A part did not close cleanly');
      } finally {
        done.abort();
      }
    }
  }
}
