import { pause } from '../../src/platform/time.ts';
import { Stopwatch } from './stopwatch.ts';

const LOOK_EVERY_MS = 10;

/**
 * Waits for a condition, looking often. Fails with the condition's own words when it takes too long, of which the time in
 * which this process stood still is no part.
 */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 15_000): Promise<void> {
  const watch = new Stopwatch();
  try {
    while (!(await condition())) {
      if (watch.elapsedMs > timeoutMs) {
        throw new Error(`Within ${timeoutMs} ms it did not come true that: ${condition.toString()}`);
      }
      await pause(LOOK_EVERY_MS);
    }
  } finally {
    watch.stop();
  }
}
