import type { Disturbance, History, Stranded } from './history.ts';
import type { Violation } from './violation.ts';

/** Who is there for so long without a break has looked for forgotten work twenty times. */
const LOOKED_AFTER_MS = 20_000;

/**
 * Whoever is found by the last net has been forgotten by everything before it, if there was anybody to remember them: on a
 * machine that is too slow for its faults nobody lives for long, and what one has begun another one has to begin again.
 */
export function* forgotten({ stranded, lives, leases, disturbances }: History): Generator<Violation> {
  const wasLookedFor = ({ at }: Stranded): boolean =>
    lives.some(({ worker, from, to }) => {
      const isThere = from <= at - LOOKED_AFTER_MS && to >= at;
      return isThere && !disturbances.some((it) => stops(it, worker) && it.to > at - LOOKED_AFTER_MS && it.from < at);
    });
  const leasesOf = Map.groupBy(leases, ({ conversationId }) => conversationId);
  const wasInHand = ({ conversationId, stuck, at }: Stranded): boolean =>
    stuck === 'turn' &&
    (leasesOf.get(conversationId) ?? []).some(
      ({ beganAt, endedAt = beganAt }) => beganAt <= at && endedAt > at - LOOKED_AFTER_MS,
    );
  const caught = stranded.filter((it) => it.repair !== 'none' && wasLookedFor(it) && !wasInHand(it));
  const found = Map.groupBy(caught, ({ conversationId, stuck }) => `the ${stuck} of ${conversationId}`);
  for (const [what, all] of found) {
    const repairs = [...new Set(all.map(({ repair }) => repair))];
    yield { kind: 'forgotten', detail: `${what} was stranded (${repairs.join(', ')})` };
  }
}

function stops({ what, worker }: Disturbance, whom: string): boolean {
  return what === 'database-away' || (what === 'worker-frozen' && worker === whom);
}
