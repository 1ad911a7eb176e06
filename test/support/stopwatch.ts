import { performance } from 'node:perf_hooks';
// Not the global ones, which a test may have replaced by its own.
import { clearInterval, setInterval } from 'node:timers';

/** How often this process shows that it runs. What a beat is late by, it stood still. */
const BEAT_EVERY_MS = 5;
/** With more than this left out, of two deadlines the later one may have come first. */
const DISTURBED_MS = 150;
const ATTEMPTS_MAX = 3;

/**
 * How long something took whoever asked for it, in milliseconds, without the time in which this very process stood still.
 *
 * Tests share their cores with databases and with each other, and a process that gets no core, or waits in a `spawnSync`,
 * measures its own absence: also what was ready long ago then seems to be late. Left out is the time in which the event
 * loop was late and its thread did not compute. A server that is slow, a timer that is long, and JavaScript that computes
 * for a second are all measured. Not promised: a stall while somebody else was slow is left out as well, so on a machine that
 * stands still much a limit is found to be broken only by what breaks it by more than that.
 */
export class Stopwatch {
  readonly #startedAt = performance.now();
  readonly #before = pulse.begin();
  #end: { readonly tookMs: number; readonly stoodStillMs: number } | undefined;

  /** What it has measured so far, or until it was stopped. */
  get elapsedMs(): number {
    return this.#end?.tookMs ?? performance.now() - this.#startedAt - this.stoodStillMs;
  }

  /** What it has left out of that. */
  get stoodStillMs(): number {
    return this.#end?.stoodStillMs ?? pulse.stoodStillMs - this.#before;
  }

  /** What it has measured until the first call of this. */
  stop(): number {
    if (this.#end === undefined) {
      this.#end = { tookMs: this.elapsedMs, stoodStillMs: this.stoodStillMs };
      pulse.end();
    }
    return this.#end.tookMs;
  }
}

export interface Timed<Answer> {
  readonly answer: Answer;
  readonly tookMs: number;
}

/** What `work` answered, and how long it took whoever asked. */
export async function timed<Answer>(work: () => Promise<Answer>): Promise<Timed<Answer>> {
  const watch = new Stopwatch();
  try {
    const answer = await work();
    return { answer, tookMs: watch.stop() };
  } finally {
    watch.stop();
  }
}

/**
 * What `work` shows when this process does not stand still meanwhile, for facts that hang on several deadlines at once: it
 * is done again when the process has, three times at most.
 */
export async function undisturbed<Shown>(work: () => Promise<Shown>): Promise<Shown> {
  for (let attempt = 1; ; attempt += 1) {
    const watch = new Stopwatch();
    try {
      const shown = await work();
      if (watch.stoodStillMs < DISTURBED_MS || attempt === ATTEMPTS_MAX) return shown;
    } finally {
      watch.stop();
    }
  }
}

/** The processor time of this thread, in milliseconds. */
export function computedMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/** Beats as long as any stopwatch runs, and knows what it has missed. */
class Pulse {
  #watches = 0;
  #timer: NodeJS.Timeout | undefined;
  #missedMs = 0;
  #beatAt = 0;
  #computedMs = 0;

  begin(): number {
    if (this.#watches === 0) {
      this.#note();
      this.#timer = setInterval(() => {
        this.#missedMs += this.#missedSinceBeat();
        this.#note();
      }, BEAT_EVERY_MS).unref();
    }
    this.#watches += 1;
    return this.stoodStillMs;
  }

  end(): void {
    this.#watches -= 1;
    if (this.#watches === 0) clearInterval(this.#timer);
  }

  /** Only differences mean anything. */
  get stoodStillMs(): number {
    return this.#missedMs + this.#missedSinceBeat();
  }

  #note(): void {
    this.#beatAt = performance.now();
    this.#computedMs = computedMs();
  }

  /** Also before the late beat itself: what came in meanwhile may be looked at first. */
  #missedSinceBeat(): number {
    const lateMs = performance.now() - this.#beatAt - BEAT_EVERY_MS;
    return Math.max(0, lateMs - (computedMs() - this.#computedMs));
  }
}

const pulse = new Pulse();
