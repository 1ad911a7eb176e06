import type { AskedDraft, Disturbance, History } from './history.ts';
import type { Violation } from './violation.ts';

/**
 * One decides at a time: no lease is given while another one holds, nothing is committed under an older lease than the
 * newest, and no two drafts of one conversation are asked for at once.
 *
 * The first two are exact. A draft may be asked for by somebody who has lost the lease and cannot know it yet: who was
 * frozen, or whose database was. Those are excused, since nothing they decide can be committed.
 */
export function* decidedTwice({ leases, turns, ...history }: History): Generator<Violation> {
  for (const { conversationId, fence, holder, wasHeld } of leases) {
    if (!wasHeld) continue;
    const detail = `the lease ${fence} of ${conversationId} was given to ${holder} while somebody else had one`;
    yield { kind: 'decided-twice', detail };
  }
  for (const { id, conversationId, fence, newestFence } of turns) {
    if (fence === newestFence) continue;
    const detail = `the turn ${id} of ${conversationId} was committed under the lease ${fence} when ${newestFence} was the newest`;
    yield { kind: 'decided-twice', detail };
  }
  yield* draftsAtOnce(history);
}

/**
 * A call that its worker has given up is over when the closing of its line has been seen, by a process that has other
 * things to do: a tenth of a second is more than that takes, and less than half of what a draft takes.
 */
const SEEN_AFTER_MS = 100;
/** Who wakes up hears at the next renewal of the leases that they have lost theirs; then they stop. */
const HEARD_AFTER_MS = 3_000;

function* draftsAtOnce({
  drafts,
  messages,
  disturbances,
}: Pick<History, 'drafts' | 'messages' | 'disturbances'>): Generator<Violation> {
  for (const [conversationId, own] of draftsByConversation({ drafts, messages })) {
    const inOrder = own.toSorted((left, right) => left.beganAt - right.beganAt);
    for (const [index, later] of inOrder.entries()) {
      const earlier = inOrder.slice(0, index).find((it) => endOf(it) - SEEN_AFTER_MS > later.beganAt);
      if (earlier === undefined || isExcused([earlier, later], disturbances)) continue;
      const forMs = Math.min(endOf(earlier), endOf(later)) - later.beganAt;
      const detail = `${earlier.worker} and ${later.worker} decided for ${conversationId} at once, for ${forMs} ms (${later.questionIds.join(', ')})`;
      yield { kind: 'decided-twice', detail };
    }
  }
}

/** The drafts of each conversation: those of a conversation that was not stored belong to nobody. */
export function draftsByConversation({
  drafts,
  messages,
}: Pick<History, 'drafts' | 'messages'>): ReadonlyMap<string, readonly AskedDraft[]> {
  const conversations = new Map(messages.map((message) => [message.questionId, message.conversationId]));
  const conversationOf = ({ questionIds }: AskedDraft): string =>
    questionIds.flatMap((id) => conversations.get(id) ?? [])[0] ?? '';
  const found = Map.groupBy(drafts, conversationOf);
  found.delete('');
  return found;
}

function endOf({ endedAt }: AskedDraft): number {
  return endedAt ?? Infinity;
}

function isExcused(pair: readonly [AskedDraft, AskedDraft], disturbances: readonly Disturbance[]): boolean {
  const [{ beganAt: from }, { beganAt: to }] = pair;
  return disturbances.some((it) => {
    const isFrozen = it.what === 'worker-frozen' && pair.some(({ worker }) => worker === it.worker);
    return (isFrozen || it.what === 'database-away') && it.from <= to && it.to + HEARD_AFTER_MS >= from;
  });
}
