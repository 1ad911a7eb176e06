import { monitorEventLoopDelay } from 'node:perf_hooks';

const TRIES = 3;

/**
 * The longest time that the event loop stood still while `work` ran, in milliseconds.
 *
 * The least of three tries: what work itself blocks it blocks every time, what a busy machine does it does not.
 */
export async function longestBlockMs(work: () => Promise<unknown>): Promise<number> {
  const longest: number[] = [];
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    await work();
    delay.disable();
    longest.push(delay.max / 1e6);
  }
  return Math.min(...longest);
}
