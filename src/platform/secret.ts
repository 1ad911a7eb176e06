import { readFileSync, statSync } from 'node:fs';
import { inspect } from 'node:util';
import { monotonicMs } from './time.ts';

const HIDDEN = '[secret]';

/** How long a secret that came from a file is believed before the file is looked at again. */
const RECHECK_MS = 1_000;

/**
 * A value that cannot be printed by accident: every way of turning it into text gives `[secret]`.
 *
 * Made from a file it follows that file: the value is read again when the file has changed, so a rotated secret is
 * taken up without a restart. A file that has become unreadable leaves the last good value in force.
 */
export class Secret {
  readonly #file: string | undefined;
  #value: string;
  #modifiedMs = 0;
  #checkedAt = 0;

  private constructor(value: string, file: string | undefined) {
    this.#value = value;
    this.#file = file;
  }

  static of(value: string): Secret {
    return new Secret(value, undefined);
  }

  /** @throws when the file cannot be read now: a missing secret is found at boot, not at night. */
  static fromFile(file: string): Secret {
    const secret = new Secret(readFileSync(file, 'utf8').trim(), file);
    secret.#modifiedMs = statSync(file).mtimeMs;
    secret.#checkedAt = monotonicMs();
    return secret;
  }

  /** The value itself. Call it where it is used, and keep no copy. */
  reveal(): string {
    if (this.#file !== undefined && monotonicMs() - this.#checkedAt >= RECHECK_MS) this.#readAgain(this.#file);
    return this.#value;
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [inspect.custom](): string {
    return HIDDEN;
  }

  #readAgain(file: string): void {
    this.#checkedAt = monotonicMs();
    try {
      const { mtimeMs } = statSync(file);
      if (mtimeMs === this.#modifiedMs) return;
      const value = readFileSync(file, 'utf8').trim();
      if (value === '') return;
      this.#value = value;
      this.#modifiedMs = mtimeMs;
    } catch {
      // Half-way through a rotation the file may be gone for a moment; the last value stays good until it is back.
    }
  }
}
