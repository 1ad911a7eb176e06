import { draftsByConversation } from './check-decisions.ts';
import type { Disturbance, History, StoredLease } from './history.ts';

/** Work that a worker had in hand when it was killed. */
export interface Resumed {
  readonly conversationId: string;
  readonly worker: string;
  readonly killedAt: number;
  /** Until the next draft was asked for, it was settled without one, or somebody had it who died as well. */
  readonly afterMs: number;
}

/**
 * How long each conversation that a worker had in hand when it was killed waited for somebody else.
 *
 * Each death counts by itself: if the next one to take it up is killed as well, perhaps before it has asked for a draft,
 * that is another row.
 */
export function resumedAfterKills(history: History): readonly Resumed[] {
  const drafts = draftsByConversation(history);
  const messages = Map.groupBy(history.messages, ({ conversationId }) => conversationId);
  const kills = history.disturbances.filter(({ what }) => what === 'worker-killed');
  return kills.flatMap((kill) =>
    inHandAt(history, kill).flatMap(({ conversationId }) => {
      const ends = (messages.get(conversationId) ?? []).map(({ settled }) => settled?.at ?? Infinity);
      const begins = (drafts.get(conversationId) ?? []).map(({ beganAt }) => beganAt);
      const diedWith = history.leases.filter((it) => it.conversationId === conversationId && it.endedAt === undefined);
      const taken = diedWith.map(({ beganAt }) => beganAt);
      const at = Math.min(...[...ends, ...begins, ...taken].filter((it) => it > kill.from));
      if (at === Infinity) return [];
      return [{ conversationId, worker: kill.worker ?? '', killedAt: kill.from, afterMs: Math.round(at - kill.from) }];
    }),
  );
}

/** The leases that a worker, or its quarantine, held when it was killed. */
function inHandAt({ leases, disturbances, ...history }: History, kill: Disturbance): readonly StoredLease[] {
  const workers = workersOf({ leases, ...history });
  const livesSince = Math.max(
    ...disturbances
      .filter(({ what, worker, to }) => what === 'worker-killed' && worker === kill.worker && to < kill.from)
      .map(({ to }) => to),
    -Infinity,
  );
  const next = new Map(leases.map((lease) => [`${lease.conversationId} ${lease.fence}`, lease]));
  return leases.filter((lease) => {
    const { beganAt, endedAt = Infinity } = lease;
    const takenAt = next.get(`${lease.conversationId} ${lease.fence + 1}`)?.beganAt ?? Infinity;
    const isItsOwn = workers.get(lease.holder) === kill.worker && beganAt > livesSince;
    return isItsOwn && beganAt <= kill.from && Math.min(endedAt, takenAt) > kill.from;
  });
}

/** A lease names a process; which worker that is of is known by the drafts that were asked for under it. */
function workersOf(history: Pick<History, 'leases' | 'drafts' | 'messages'>): ReadonlyMap<string, string> {
  const drafts = draftsByConversation(history);
  const workers = new Map<string, string>();
  for (const { holder, conversationId, beganAt, endedAt } of history.leases) {
    if (workers.has(holder) || endedAt === undefined) continue;
    const own = (drafts.get(conversationId) ?? []).find((it) => it.beganAt >= beganAt && it.beganAt <= endedAt);
    if (own !== undefined) workers.set(holder, own.worker);
  }
  return workers;
}
