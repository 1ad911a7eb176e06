import { setTimeout as delay } from 'node:timers/promises';

/** Where the rest of the code takes the time from, so that a test can move it. */
export interface Clock {
  now(): Date;
}

export const systemClock: Clock = { now: () => new Date() };

/** Milliseconds on a clock that never jumps; only differences mean anything. */
export function monotonicMs(): number {
  return performance.now();
}

/** Waits `ms`, or less: rejects with the signal's reason as soon as it is aborted. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await delay(Math.max(0, ms), undefined, signal === undefined ? {} : { signal });
}

/**
 * The wait before attempt `attempt + 1`: anything between nothing and a bound that doubles.
 *
 * Full jitter, so that callers that failed together do not come back together.
 *
 * @param attempt how many attempts have failed, from 1.
 */
export function fullJitterMs(attempt: number, bounds: { baseMs: number; capMs: number }): number {
  return Math.random() * Math.min(bounds.capMs, bounds.baseMs * 2 ** (attempt - 1));
}

/** A signal that aborts after `ms`, or with any of the others, whichever comes first. */
export function deadlineSignal(ms: number, ...others: readonly (AbortSignal | undefined)[]): AbortSignal {
  const given = others.filter((signal) => signal !== undefined);
  return AbortSignal.any([AbortSignal.timeout(Math.max(1, Math.floor(ms))), ...given]);
}
