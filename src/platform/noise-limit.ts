import { Counter } from 'prom-client';
import { registry } from './metrics.ts';
import { monotonicMs } from './time.ts';

export interface NoiseLimitOptions {
  /** Lines of one kind that are written in a window; the rest is counted. */
  readonly linesMax: number;
  readonly windowMs: number;
  /** Kinds that are told apart at once. Beyond that, new ones share one place. */
  readonly kindsMax: number;
}

interface Kind {
  windowEndsAt: number;
  written: number;
  leftOut: number;
  /** Writes how many lines were left out, beside the lines themselves. */
  readonly tell: (leftOut: number) => void;
}

const leftOutLines = new Counter({
  name: 'plantao_log_lines_left_out_total',
  help: 'Log lines that were counted instead of written, because there were many like them.',
  registers: [registry],
});

const SHARED_KIND = '(others)';

/**
 * Keeps a storm of equal lines from drowning all others: the first ones of each window are written, the rest is counted,
 * and the count is told when the window ends. Its memory is bounded, however many kinds there are.
 */
export class NoiseLimit {
  readonly #options: NoiseLimitOptions;
  readonly #kinds = new Map<string, Kind>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: NoiseLimitOptions) {
    this.#options = options;
  }

  /** Whether a line of this kind is to be written. */
  admits(name: string, tell: (leftOut: number) => void): boolean {
    const now = monotonicMs();
    const kind = this.#kindOf(name, tell, now);
    if (now >= kind.windowEndsAt) this.#endWindow(kind, now);
    if (kind.written < this.#options.linesMax) {
      kind.written += 1;
      return true;
    }
    kind.leftOut += 1;
    leftOutLines.inc();
    if (this.#timer === undefined) this.#lookLater();
    return false;
  }

  #kindOf(name: string, tell: (leftOut: number) => void, now: number): Kind {
    const known = this.#kinds.get(name);
    if (known !== undefined) return known;
    if (this.#kinds.size >= this.#options.kindsMax) this.#forgetQuiet(now);
    if (this.#kinds.size >= this.#options.kindsMax && name !== SHARED_KIND) {
      return this.#kindOf(SHARED_KIND, tell, now);
    }
    const kind = { windowEndsAt: now + this.#options.windowMs, written: 0, leftOut: 0, tell };
    this.#kinds.set(name, kind);
    return kind;
  }

  #forgetQuiet(now: number): void {
    for (const [name, kind] of this.#kinds) {
      if (now >= kind.windowEndsAt && kind.leftOut === 0) this.#kinds.delete(name);
    }
  }

  #look(): void {
    this.#timer = undefined;
    const now = monotonicMs();
    let isMore = false;
    for (const kind of this.#kinds.values()) {
      if (kind.leftOut === 0) continue;
      if (now >= kind.windowEndsAt) this.#endWindow(kind, now);
      else isMore = true;
    }
    if (isMore) this.#lookLater();
  }

  #lookLater(): void {
    this.#timer = setTimeout(() => {
      this.#look();
    }, this.#options.windowMs).unref();
  }

  #endWindow(kind: Kind, now: number): void {
    const { leftOut } = kind;
    kind.windowEndsAt = now + this.#options.windowMs;
    kind.written = 0;
    kind.leftOut = 0;
    if (leftOut > 0) kind.tell(leftOut);
  }
}
