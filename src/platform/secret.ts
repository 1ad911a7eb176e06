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
 * taken up without a restart. A file that has become unreadable, or holds what cannot be used, leaves the last good value
 * in force.
 */
export class Secret {
  readonly #file: string | undefined;
  #value: string;
  #previous: string | undefined;
  #version = '';
  #checkedAt = 0;
  #isUsable: (value: string) => boolean = (value) => value !== '';

  private constructor(value: string, file: string | undefined) {
    this.#value = value;
    this.#file = file;
  }

  static of(value: string): Secret {
    return new Secret(value, undefined);
  }

  /** @throws when the file cannot be read now: a missing secret is found at boot, not at night. */
  static fromFile(file: string): Secret {
    const version = versionOf(file);
    const secret = new Secret(readFileSync(file, 'utf8').trim(), file);
    secret.#version = version;
    secret.#checkedAt = monotonicMs();
    return secret;
  }

  /**
   * From now on a value of the file counts only when it passes.
   *
   * @returns whether the present value does.
   */
  mustBe(isUsable: (value: string) => boolean): boolean {
    this.#isUsable = isUsable;
    return isUsable(this.#value);
  }

  /** The value itself. Call it where it is used, and keep no copy. */
  reveal(): string {
    if (this.#file !== undefined && monotonicMs() - this.#checkedAt >= RECHECK_MS) this.#readAgain(this.#file);
    return this.#value;
  }

  /** The value as the file has it at this moment, for where a second is too old: somebody has just refused the last one. */
  revealNow(): string {
    if (this.#file !== undefined) this.#readAgain(this.#file);
    return this.#value;
  }

  /** The value before the present one. While a rotation is under way the other side may still want it. */
  revealPrevious(): string | undefined {
    return this.#previous;
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
      const version = versionOf(file);
      if (version === this.#version) return;
      const value = readFileSync(file, 'utf8').trim();
      // Half written, or a mistake: looked at again in a second, and until then the last good value stays.
      if (!this.#isUsable(value)) return;
      this.#version = version;
      if (value === this.#value) return;
      this.#previous = this.#value;
      this.#value = value;
    } catch {
      // Half-way through a rotation the file may be gone for a moment; the last value stays good until it is back.
    }
  }
}

/** Changes with the file. Tools that copy a file's times along still cannot keep its inode and its change time. */
function versionOf(file: string): string {
  const { ino, ctimeMs, mtimeMs, size } = statSync(file);
  return [ino, ctimeMs, mtimeMs, size].join(' ');
}
