import { describe, expect, it } from '@jest/globals';
import { FAULT_KINDS, LOAD_MS_MIN, planFaults } from './fault-schedule.ts';

const SEEDS = Array.from({ length: 200 }, (_, seed) => seed);
const options = { loadMs: 75_000, workers: 3 };

describe('the schedule of faults', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(planFaults({ ...options, seed: 7 })).toEqual(planFaults({ ...options, seed: 7 }));
    expect(planFaults({ ...options, seed: 7 })).not.toEqual(planFaults({ ...options, seed: 8 }));
  });

  it('has every kind of fault, ten kills of workers, and two workers that freeze', () => {
    for (const seed of SEEDS) {
      const kinds = planFaults({ ...options, seed }).map((fault) => fault.kind);

      expect(new Set(kinds)).toEqual(new Set(FAULT_KINDS));
      expect(kinds.filter((kind) => kind === 'worker-killed')).toHaveLength(10);
      expect(kinds.filter((kind) => kind === 'worker-frozen')).toHaveLength(2);
    }
  });

  it('is over before the load is', () => {
    for (const loadMs of [LOAD_MS_MIN, 75_000, 143_000]) {
      for (const seed of SEEDS) {
        const faults = planFaults({ seed, loadMs, workers: 3 });

        expect(Math.min(...faults.map((fault) => fault.atMs))).toBeGreaterThanOrEqual(0);
        expect(Math.max(...faults.map((fault) => fault.atMs + fault.forMs))).toBeLessThan(loadMs);
      }
    }
  });

  it('lets nothing but kills of workers overlap', () => {
    for (const seed of SEEDS) {
      const others = planFaults({ ...options, seed }).filter((fault) => fault.kind !== 'worker-killed');
      const overlaps = others.filter((fault, index) => {
        const before = others[index - 1];
        return before !== undefined && before.atMs + before.forMs >= fault.atMs;
      });

      expect(overlaps).toEqual([]);
    }
  });

  it('kills no worker that is frozen: it has to wake up', () => {
    for (const seed of SEEDS) {
      const faults = planFaults({ ...options, seed });
      const killed = faults
        .filter((fault) => fault.kind === 'worker-frozen')
        .flatMap(({ victim, atMs, forMs }) =>
          faults.filter(
            (fault) =>
              fault.kind === 'worker-killed' &&
              fault.victim === victim &&
              fault.atMs >= atMs &&
              fault.atMs <= atMs + forMs,
          ),
        );

      expect(killed).toEqual([]);
    }
  });

  it('refuses a load that is too short for all of it', () => {
    expect(() => planFaults({ seed: 1, loadMs: LOAD_MS_MIN - 1, workers: 3 })).toThrow(RangeError);
  });
});
