import { computedMs } from './stopwatch.ts';

const TRIES = 3;
const LOOK_EVERY_MS = 1;

/**
 * The longest time that the event loop computed in one go while `work` ran, in milliseconds of its processor: as long as
 * this nobody else was answered.
 *
 * Not by the wall's clock, on which a busy machine blocks everybody. The least of three tries: what work itself computes
 * it computes every time, what the garbage of others costs it does not.
 */
export async function longestBlockMs(work: () => Promise<unknown>): Promise<number> {
  const longest: number[] = [];
  for (let attempt = 0; attempt < TRIES; attempt += 1) longest.push(await longestOnce(work));
  return Math.min(...longest);
}

async function longestOnce(work: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let before = computedMs();
  const look = (): void => {
    const now = computedMs();
    longest = Math.max(longest, now - before);
    before = now;
  };
  const looking = setInterval(look, LOOK_EVERY_MS);
  try {
    await work();
    look();
  } finally {
    clearInterval(looking);
  }
  return longest;
}
