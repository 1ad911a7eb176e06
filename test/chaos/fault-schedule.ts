import { randomFrom } from './random.ts';

/** What is done to a run. The names are the rows of the page of faults. */
export const FAULT_KINDS = [
  'worker-killed',
  'worker-frozen',
  'service-killed',
  'redis-flushed',
  'redis-killed',
  'redis-frozen',
  'postgres-restarted',
  'postgres-frozen',
  'gateway-drops-the-line',
  'model-throttles',
  'model-overloaded',
  'model-hangs',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Fault {
  readonly kind: FaultKind;
  /** After the first message of the load. */
  readonly atMs: number;
  /** How long it lasts; 0 for what is over as soon as it has happened. */
  readonly forMs: number;
  /** Which of the workers; of faults of one worker only. */
  readonly victim: number | undefined;
  /** Whether it ends as soon as somebody else does what its victim was doing. It then lasts `forMs` at the most. */
  readonly endsWhenReplaced: boolean;
}

export interface ScheduleOptions {
  readonly seed: number;
  readonly loadMs: number;
  readonly workers: number;
}

/** How long each lasts. A frozen worker sleeps through its lease of 5 s, and others answer meanwhile. */
export const LASTS_MS: Readonly<Record<Exclude<FaultKind, 'worker-killed'>, number>> = {
  'worker-frozen': 12_000,
  'service-killed': 0,
  'redis-flushed': 0,
  'redis-killed': 4_000,
  'redis-frozen': 10_000,
  'postgres-restarted': 0,
  'postgres-frozen': 5_000,
  'gateway-drops-the-line': 1_500,
  'model-throttles': 4_000,
  'model-overloaded': 4_000,
  'model-hangs': 4_000,
};

const WORKER_KILLS = 10;
const KILL_EVERY_MS = 2_500;
/** All processes have compiled what they use before the first fault, and there is load after the last one. */
const CALM_MS = 5_000;
/** The least distance between the end of one fault and the beginning of the next, kills of workers aside. */
const GAP_MS_MIN = 250;

/**
 * Every fault but the kills of workers. One worker is frozen until long after somebody else has done its work, another one
 * wakes up while somebody else is doing it: that comes last, when nobody is killed any more, because both have to live.
 */
const IN_ANY_ORDER = Object.entries(LASTS_MS).map(([kind, forMs]) => {
  return { kind: kind as FaultKind, forMs, endsWhenReplaced: false };
});
const LAST = { kind: 'worker-frozen', forMs: LASTS_MS['worker-frozen'], endsWhenReplaced: true } as const;
const SINGLES: readonly Pick<Fault, 'kind' | 'forMs' | 'endsWhenReplaced'>[] = [...IN_ANY_ORDER, LAST];
const BUSY_MS = SINGLES.reduce((total, { forMs }) => total + forMs, 0);

/** A load that is shorter than this cannot hold every fault. */
export const LOAD_MS_MIN = 2 * CALM_MS + BUSY_MS + SINGLES.length * GAP_MS_MIN;

/**
 * What happens when, as a pure function of the seed.
 *
 * Workers are killed every 2.5 s, ten times. Every other fault happens once, a frozen worker twice, in an order of its own, one after the other
 * and on top of the kills.
 *
 * @throws {RangeError} when the load is too short for all of them.
 */
export function planFaults({ seed, loadMs, workers }: ScheduleOptions): readonly Fault[] {
  if (loadMs < LOAD_MS_MIN) {
    throw new RangeError(
      `A load of ${Math.round(loadMs / 1_000)} s is too short for all faults, which take ${LOAD_MS_MIN / 1_000} s`,
    );
  }
  const random = randomFrom(seed, 'faults');
  const gapMs = (loadMs - 2 * CALM_MS - BUSY_MS) / SINGLES.length;
  let freeFromMs = CALM_MS;
  const singles = [...random.shuffled(IN_ANY_ORDER), LAST].map(({ kind, forMs, endsWhenReplaced }) => {
    const atMs = Math.round(freeFromMs + random.next() * (gapMs - GAP_MS_MIN));
    freeFromMs += gapMs + forMs;
    const victim = kind === 'worker-frozen' ? random.below(workers) : undefined;
    return { kind, atMs, forMs, victim, endsWhenReplaced };
  });
  const firstKillMs = CALM_MS + random.below(KILL_EVERY_MS);
  const kills = Array.from({ length: WORKER_KILLS }, (_, index) => {
    const atMs = firstKillMs + index * KILL_EVERY_MS;
    // A frozen worker that is killed never wakes up, and its waking up is the point.
    const frozen = singles
      .filter((it) => it.kind === 'worker-frozen' && isDuring(it, atMs))
      .map(({ victim }) => victim);
    const others = Array.from({ length: workers }, (_, worker) => worker).filter((worker) => !frozen.includes(worker));
    const victim = others[random.below(others.length)];
    return { kind: 'worker-killed', atMs, forMs: 0, victim, endsWhenReplaced: false } as const;
  });
  return [...singles, ...kills].toSorted((left, right) => left.atMs - right.atMs);
}

const WAKING_UP_MS = 2_000;

function isDuring(fault: { atMs: number; forMs: number }, atMs: number): boolean {
  return atMs >= fault.atMs - WAKING_UP_MS && atMs <= fault.atMs + fault.forMs + WAKING_UP_MS;
}
