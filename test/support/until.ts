import { pause } from '../../src/platform/time.ts';

const LOOK_EVERY_MS = 10;

/** Waits for a condition, looking often. Fails with the condition's own words when it takes too long. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 15_000): Promise<void> {
  const giveUp = AbortSignal.timeout(timeoutMs);
  while (!(await condition())) {
    if (giveUp.aborted) throw new Error(`Within ${timeoutMs} ms it did not come true that: ${condition.toString()}`);
    await pause(LOOK_EVERY_MS);
  }
}
