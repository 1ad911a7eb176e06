import { withContext } from '../platform/context.ts';
import { monotonicMs } from '../platform/time.ts';
import { currentTraceparent, inSpan } from '../platform/tracing.ts';
import type { OpenSpan, SpanOptions } from '../platform/tracing.ts';
import type { Tenant } from '../tenants/tenants.ts';
import {
  courtesiesKept,
  handoffRequested,
  loopBroken,
  tenantTurnCommitted,
  turnFinished,
} from '../vocabulary/events.ts';
import type { TurnOutcome } from '../vocabulary/events.ts';
import { newId, TurnId } from '../vocabulary/ids.ts';
import type { ConversationId, TenantId } from '../vocabulary/ids.ts';
import type { CommitOutcome, TurnCommit } from './commit-turn.ts';
import { PaidModels } from './contact-spending.ts';
import { remember } from './conversation-context.ts';
import type { ConversationContext } from './conversation-context.ts';
import { DEATHS_MAX, MESSAGES_PER_TURN } from './conversation-store.ts';
import type { NoTurn, OpenPurpose } from './conversation-store.ts';
import { outcomeOf, wordsOf } from './conversation.ts';
import type { RememberedMessage, Turn } from './conversation.ts';
import { withCourtesies } from './courtesy.ts';
import { decideTurn, handOver } from './decide-turn.ts';
import type { Decided, DecideNeeds } from './decide-turn.ts';
import { LeaseLost } from './lease-keeper.ts';
import type { HeldLease } from './lease-keeper.ts';
import { phrasesFor } from './phrases.ts';

/** What a turn needs from the rest of the system, and nothing more. */
export interface TurnNeeds extends DecideNeeds {
  readonly conversations: {
    openTurn(id: ConversationId, purpose: OpenPurpose): Promise<Turn | NoTurn>;
    reopenTurn(turn: Turn): Promise<Turn | undefined>;
    commitTurn(turn: Turn, commit: TurnCommit): Promise<CommitOutcome>;
    releaseTurn(turn: Turn): Promise<void>;
    releaseFailedTurn(turn: Turn, retryInMs: number): Promise<void>;
    postponeTurn(turn: Turn, ms: number): Promise<void>;
    takeBack(turn: Turn): Promise<void>;
    /** Counts what models cost without a turn that says so. Never throws. */
    keepSpending(turn: Turn, usd: number): Promise<void>;
  };
  readonly leases: { hold(turn: Turn, turnMs: number): HeldLease };
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
/** Tries in a row that ended with an error of ours. One more, and a person gets the conversation. */
const ATTEMPTS_MAX = 3;
const RETRY_FAILED_MS = 2_000;
/** For a turn that asks no model. */
const QUICK_TURN_MS = 10_000;

/** How far a turn goes for its answer: to the models, to the knowledge alone, or straight to a person. */
export const MANNERS = ['model', 'offline', 'person'] as const;
export type Manner = (typeof MANNERS)[number];

/**
 * Who else a process may lose with this turn: `others` for a turn that nothing is held against; `few` that are suspects as well,
 * in a process for them; `nobody` there.
 */
export type Company = 'others' | 'few' | 'nobody';

export interface TurnOptions {
  readonly manner: Manner;
  readonly company: Company;
  /** Aborts when the process should stop waiting for models; the messages then stay for the next process. */
  readonly shutdown: AbortSignal;
}

/**
 * Answers everything that waits in a conversation, or decides that a person should.
 *
 * Safe to run again at any point, by any process: the lease lets one run at a time, and the commit does nothing once the
 * lease, the owner or the mailbox has moved.
 */
export async function takeTurn(needs: TurnNeeds, id: ConversationId, options: TurnOptions): Promise<TurnOutcome> {
  const startedAt = monotonicMs();
  const opened = await needs.conversations.openTurn(id, purposeOf(options));
  if ('none' in opened) {
    if (opened.none === 'not-due') needs.ringTurn(id, opened.dueInMs);
    turnFinished(needs.log, { conversationId: id, outcome: opened.none, durationMs: monotonicMs() - startedAt });
    return opened.none;
  }

  const requestId = opened.messages.at(-1)?.requestId;
  const context = { conversationId: id, tenantId: opened.tenantId, ...(requestId === undefined ? {} : { requestId }) };
  const take = async (span: OpenSpan): Promise<TurnOutcome> => {
    const turnMs = options.manner === 'model' ? needs.turnDeadlineMs : QUICK_TURN_MS;
    const lease = needs.leases.hold(opened, turnMs);
    try {
      const signal = AbortSignal.any([lease.signal, options.shutdown]);
      const answering = answer(needs, opened, { deadline: startedAt + turnMs, signal, manner: options.manner });
      // What hangs in spite of its deadlines must not keep its place among the turns of this process.
      const done = await Promise.race([answering, rejectedBy(lease.signal)]);
      turnFinished(needs.log, {
        conversationId: id,
        durationMs: monotonicMs() - startedAt,
        messages: opened.messages.length,
        ...done,
      });
      span.set({ 'plantao.outcome': done.outcome, 'plantao.rung': done.rung });
      return done.outcome;
    } catch (error) {
      const outcome = await gaveUp(needs, opened, { error, lease, shutdown: options.shutdown });
      turnFinished(needs.log, { conversationId: id, outcome, durationMs: monotonicMs() - startedAt });
      span.set({ 'plantao.outcome': outcome });
      return outcome;
    } finally {
      lease.drop();
    }
  };
  return await withContext(context, () => inSpan('turn', spanOf(opened, options), take));
}

/** A turn goes on with the trace of the newest message; the others of a burst, and the wake, are linked. */
function spanOf({ conversationId, messages, attempts }: Turn, { manner }: TurnOptions): SpanOptions {
  const newest = messages.at(-1);
  return {
    parent: newest?.traceparent,
    links: [...messages.slice(0, -1).map((message) => message.traceparent), currentTraceparent()],
    attributes: {
      'plantao.conversation_id': conversationId,
      'plantao.request_id': newest?.requestId,
      'plantao.messages': messages.length,
      'plantao.attempts': attempts,
      'plantao.manner': manner,
    },
  };
}

const PURPOSE = { others: 'answer', few: 'answer-among-suspects', nobody: 'answer-alone' } as const;

function purposeOf({ manner, company }: TurnOptions): OpenPurpose {
  return manner === 'person' ? 'give-up' : PURPOSE[company];
}

async function rejectedBy(signal: AbortSignal): Promise<never> {
  const aborted = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => {
    aborted.reject(signal.reason);
  });
  return await aborted.promise;
}

interface Done {
  readonly outcome: TurnOutcome;
  readonly rung?: string;
}

interface Answering {
  readonly deadline: number;
  readonly signal: AbortSignal;
  readonly manner: Manner;
}

/**
 * Money is spent when a model answers, and a turn may end in many ways after that: another owner, a lost lease, an error. It
 * is counted however it ends, or who makes each turn fail costs nothing. Only a process that dies before its commit takes
 * its sum along; that happens to a turn {@link DEATHS_MAX} times, and then a person has it.
 */
async function answer(needs: TurnNeeds, opened: Turn, answering: Answering): Promise<Done> {
  const paid = new PaidModels(answering.manner === 'offline' ? [] : needs.models);
  let done: Done;
  try {
    done = await answerWith(paid, { needs, opened, answering });
  } finally {
    if (paid.usd > 0) await needs.conversations.keepSpending(opened, paid.usd);
  }
  // The owner moved, and the lease may still be ours: whoever owns it now, nobody should have to wait for its end. Only now,
  // so that the next turn knows what this one has cost.
  if (done.outcome === 'overtaken') await needs.conversations.releaseTurn(opened);
  return done;
}

interface AnswerParts {
  readonly needs: TurnNeeds;
  readonly opened: Turn;
  readonly answering: Answering;
}

async function answerWith(paid: PaidModels, { needs, opened, answering }: AnswerParts): Promise<Done> {
  const tenant = await needs.tenantOf(opened.tenantId);
  const deciding = { ...needs, models: paid.models };
  let turn = opened;
  for (let redrafts = 0; ; redrafts += 1) {
    const reason = reasonToSetAside(turn, answering.manner);
    const decided =
      reason === undefined
        ? await decideTurn(deciding, { turn, tenant }, answering)
        : await setAside(needs, { turn, tenant, reason });
    if ('instead' in decided) return await insteadOf(needs, turn, decided);
    // Up to here nothing has happened that another process could not do again.
    answering.signal.throwIfAborted();

    const commit = {
      turnId: newId(TurnId),
      decision: decided.decision,
      trace: { ...decided.trace, rung: decided.rung, redrafts, ...(paid.usd > 0 ? { costUsd: paid.usd } : {}) },
      startedAt: turn.now,
      settles: turn.messages.map((message) => message.id),
      evenIfNewer: reason !== undefined || redrafts >= REDRAFTS_MAX || turn.messages.length >= MESSAGES_PER_TURN,
    };
    const read = turn;
    const committed = await inSpan('commit', {}, () => needs.conversations.commitTurn(read, commit));
    if (committed.committed) {
      paid.forget();
      await afterCommit(needs, { turn, decided, committed });
      tenantTurnCommitted({ tenant: tenant.slug, outcome: outcomeOf(decided.decision) });
      return { outcome: outcomeOf(decided.decision), rung: decided.rung };
    }
    const again = await needs.conversations.reopenTurn(turn);
    if (again === undefined) return { outcome: 'overtaken' };
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
  const bubbles = wordsOf(decision);
  if (bubbles.length > 0) needs.ringDelivery(turn.conversationId);
  if (committed.isMoreWaiting) needs.ringTurn(turn.conversationId, 0);
  courtesiesKept(needs.log, { conversationId: turn.conversationId, ...decision.courtesies });
  if (decision.kind === 'hand-over') {
    handoffRequested(needs.log, { conversationId: turn.conversationId, reason: decision.reason });
  }
  if (decided.loop !== undefined) loopBroken(needs.log, { conversationId: turn.conversationId, ...decided.loop });
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

/** Why this turn is not tried again; undefined when it is. What a person owns is theirs anyway. */
function reasonToSetAside(turn: Turn, manner: Manner): string | undefined {
  if (turn.owner === 'human') return undefined;
  if (turn.deaths >= DEATHS_MAX) return 'Four processes that took the turn died, the last with no other in hand';
  if (turn.attempts > ATTEMPTS_MAX) return 'The turn failed several times in a row';
  return manner === 'person' ? 'Nobody answered in time' : undefined;
}

/** A turn that is not tried again is kept for inspection, and a person takes over. */
async function setAside(
  needs: TurnNeeds,
  { turn, tenant, reason }: { turn: Turn; tenant: Tenant; reason: string },
): Promise<Decided> {
  await needs.setAside(turn, reason);
  const { attempts, deaths } = turn;
  return {
    conversationId: turn.conversationId,
    context: undefined,
    decision: withCourtesies(handOver('turn-failed', phrasesFor(tenant.locale)), { turn, tenant }),
    reasons: ['turn-failed'],
    found: [],
    draft: undefined,
    rung: 'gate',
    trace: {
      read: turn.messages.map((message) => message.id),
      gate: 'set-aside',
      reasons: ['turn-failed'],
      reason,
      attempts,
      deaths,
    },
  };
}

interface GivingUp {
  readonly error: unknown;
  readonly lease: HeldLease;
  readonly shutdown: AbortSignal;
}

async function gaveUp(needs: TurnNeeds, turn: Turn, { error, lease, shutdown }: GivingUp): Promise<TurnOutcome> {
  if (error instanceof LeaseLost) return 'overtaken';
  try {
    if (shutdown.aborted) {
      await needs.conversations.releaseTurn(turn);
      return 'superseded';
    }
    needs.log.error({ err: error }, 'A turn failed; it will be tried again');
    await needs.conversations.releaseFailedTurn(turn, RETRY_FAILED_MS * turn.attempts);
  } catch (releaseError) {
    lease.owe();
    throw releaseError;
  }
  return 'failed';
}
