import { withContext } from '../platform/context.ts';
import { monotonicMs } from '../platform/time.ts';
import type { Tenant } from '../tenants/tenants.ts';
import { handoffRequested, turnFinished } from '../vocabulary/events.ts';
import type { TurnOutcome } from '../vocabulary/events.ts';
import { newId, TurnId } from '../vocabulary/ids.ts';
import type { ConversationId, TenantId } from '../vocabulary/ids.ts';
import type { CommitOutcome, TurnCommit } from './commit-turn.ts';
import { remember } from './conversation-context.ts';
import type { ConversationContext } from './conversation-context.ts';
import { MESSAGES_PER_TURN } from './conversation-store.ts';
import type { NoTurn } from './conversation-store.ts';
import { outcomeOf } from './conversation.ts';
import type { RememberedMessage, Turn } from './conversation.ts';
import { decideTurn, handOver } from './decide-turn.ts';
import type { Decided, DecideNeeds } from './decide-turn.ts';
import { LeaseLost } from './lease-keeper.ts';
import type { HeldLease } from './lease-keeper.ts';
import { phrasesFor } from './phrases.ts';

/** What a turn needs from the rest of the system, and nothing more. */
export interface TurnNeeds extends DecideNeeds {
  readonly conversations: {
    openTurn(id: ConversationId): Promise<Turn | NoTurn>;
    reopenTurn(turn: Turn): Promise<Turn | undefined>;
    commitTurn(turn: Turn, commit: TurnCommit): Promise<CommitOutcome>;
    releaseTurn(turn: Turn): Promise<void>;
    releaseFailedTurn(turn: Turn, retryInMs: number): Promise<void>;
    postponeTurn(turn: Turn, ms: number): Promise<void>;
    takeBack(turn: Turn): Promise<void>;
  };
  readonly leases: { hold(turn: Turn): HeldLease };
  readonly tenantOf: (id: TenantId) => Promise<Tenant>;
  readonly saveContext: (id: ConversationId, context: ConversationContext) => Promise<void>;
  readonly setAside: (turn: Turn, reason: string) => Promise<void>;
  /** Rings the conversation again. Never throws and never waits. */
  readonly ringTurn: (id: ConversationId, delayMs: number) => void;
  readonly ringDelivery: (id: ConversationId) => void;
  readonly turnDeadlineMs: number;
}

/** Times that a draft is thrown away because the customer went on writing. After that the next turn answers the rest. */
const REDRAFTS_MAX = 2;
/** Leases in a row that ended with a dead process or an error of ours. One more, and a person gets the conversation. */
const ATTEMPTS_MAX = 3;
const RETRY_FAILED_MS = 2_000;

/**
 * Answers everything that waits in a conversation, or decides that a person should.
 *
 * Safe to run again at any point, by any process: the lease lets one run at a time, and the commit does nothing once the
 * lease, the owner or the mailbox has moved.
 *
 * @param shutdown aborts when the process should stop waiting for models; the messages then stay for the next process.
 */
export async function takeTurn(needs: TurnNeeds, id: ConversationId, shutdown: AbortSignal): Promise<TurnOutcome> {
  const startedAt = monotonicMs();
  const opened = await needs.conversations.openTurn(id);
  if ('none' in opened) {
    if (opened.none === 'not-due') needs.ringTurn(id, opened.dueInMs);
    turnFinished(needs.log, { conversationId: id, outcome: opened.none, durationMs: monotonicMs() - startedAt });
    return opened.none;
  }

  const requestId = opened.messages.at(-1)?.requestId;
  const context = { conversationId: id, tenantId: opened.tenantId, ...(requestId === undefined ? {} : { requestId }) };
  return await withContext(context, async () => {
    const lease = needs.leases.hold(opened);
    try {
      const done = await answer(needs, opened, {
        deadline: startedAt + needs.turnDeadlineMs,
        signal: AbortSignal.any([lease.signal, shutdown]),
      });
      turnFinished(needs.log, {
        conversationId: id,
        durationMs: monotonicMs() - startedAt,
        messages: opened.messages.length,
        ...done,
      });
      return done.outcome;
    } catch (error) {
      const outcome = await gaveUp(needs, opened, { error, shutdown });
      turnFinished(needs.log, { conversationId: id, outcome, durationMs: monotonicMs() - startedAt });
      return outcome;
    } finally {
      lease.drop();
    }
  });
}

interface Done {
  readonly outcome: TurnOutcome;
  readonly rung?: string;
}

async function answer(needs: TurnNeeds, opened: Turn, time: { deadline: number; signal: AbortSignal }): Promise<Done> {
  const tenant = await needs.tenantOf(opened.tenantId);
  let turn = opened;
  for (let redrafts = 0; ; redrafts += 1) {
    const decided =
      turn.attempts > ATTEMPTS_MAX
        ? await setAside(needs, turn, tenant)
        : await decideTurn(needs, { turn, tenant }, time);
    if ('instead' in decided) return await insteadOf(needs, turn, decided);
    // Up to here nothing has happened that another process could not do again.
    time.signal.throwIfAborted();

    const committed = await needs.conversations.commitTurn(turn, {
      turnId: newId(TurnId),
      decision: decided.decision,
      trace: { ...decided.trace, rung: decided.rung, redrafts },
      startedAt: turn.now,
      settles: turn.messages.map((message) => message.id),
      evenIfNewer: redrafts >= REDRAFTS_MAX || turn.messages.length >= MESSAGES_PER_TURN,
    });
    if (committed.committed) {
      await afterCommit(needs, { turn, decided, committed });
      return { outcome: outcomeOf(decided.decision), rung: decided.rung };
    }
    const again = await needs.conversations.reopenTurn(turn);
    if (again === undefined) {
      // The owner moved, and the lease may still be ours: whoever owns it now, nobody should have to wait for its end.
      await needs.conversations.releaseTurn(turn);
      return { outcome: 'overtaken' };
    }
    turn = again;
  }
}

interface Committed {
  readonly turn: Turn;
  readonly decided: Decided;
  readonly committed: Extract<CommitOutcome, { committed: true }>;
}

/** Side effects on others, once the decision is durable. If this process dies here, the sweepers do the same. */
async function afterCommit(needs: TurnNeeds, { turn, decided, committed }: Committed): Promise<void> {
  const { decision } = decided;
  const bubbles = 'bubbles' in decision ? decision.bubbles : [];
  if (bubbles.length > 0) needs.ringDelivery(turn.conversationId);
  if (committed.isMoreWaiting) needs.ringTurn(turn.conversationId, 0);
  if (decision.kind === 'hand-over') {
    handoffRequested(needs.log, { conversationId: turn.conversationId, reason: decision.reason });
  }
  // Without the context before it the next turn rebuilds the whole, which is the same and only slower.
  if (decided.context === undefined || bubbles.length === 0) return;
  const said: RememberedMessage[] = [
    ...turn.messages.map((message) => ({ author: 'customer' as const, ...message })),
    ...bubbles.map((text) => ({ author: 'bot' as const, kind: 'text' as const, text, saidAt: turn.now })),
  ];
  await needs.saveContext(turn.conversationId, remember(decided.context, said, committed.knownUpTo));
}

async function insteadOf(
  needs: TurnNeeds,
  turn: Turn,
  not: { instead: 'take-back' } | { instead: 'wait'; ms: number },
): Promise<Done> {
  if (not.instead === 'take-back') {
    await needs.conversations.takeBack(turn);
    needs.ringTurn(turn.conversationId, 0);
    return { outcome: 'not-due' };
  }
  await needs.conversations.postponeTurn(turn, not.ms);
  needs.ringTurn(turn.conversationId, not.ms);
  return { outcome: 'not-due' };
}

/** A turn that has failed too often is nobody's to try again: it is kept for inspection, and a person takes over. */
async function setAside(needs: TurnNeeds, turn: Turn, tenant: Tenant): Promise<Decided> {
  await needs.setAside(turn, 'The turn failed or its process died, several times in a row');
  return {
    conversationId: turn.conversationId,
    context: undefined,
    decision: handOver('turn-failed', phrasesFor(tenant.locale)),
    rung: 'gate',
    trace: { read: turn.messages.map((message) => message.id), gate: 'set-aside', attempts: turn.attempts },
  };
}

async function gaveUp(
  needs: TurnNeeds,
  turn: Turn,
  { error, shutdown }: { error: unknown; shutdown: AbortSignal },
): Promise<TurnOutcome> {
  if (error instanceof LeaseLost) return 'overtaken';
  if (shutdown.aborted) {
    await needs.conversations.releaseTurn(turn);
    return 'superseded';
  }
  needs.log.error({ err: error }, 'A turn failed; it will be tried again');
  await needs.conversations.releaseFailedTurn(turn, RETRY_FAILED_MS * turn.attempts);
  return 'failed';
}
