import type { FoundPassage } from '../knowledge/knowledge.ts';
import { splitIntoBubbles } from '../delivery/delivery.ts';
import type { Logger } from '../platform/logger.ts';
import { monotonicMs } from '../platform/time.ts';
import { inSpan } from '../platform/tracing.ts';
import type { Tenant } from '../tenants/tenants.ts';
import type { HandoffReason } from '../vocabulary/events.ts';
import type { ConversationId, TenantId } from '../vocabulary/ids.ts';
import type { ComposeRequest, Draft, Model } from '../vocabulary/model.ts';
import { composeDraft } from './compose-reply.ts';
import type { Composed } from './compose-reply.ts';
import type { ConversationContext } from './conversation-context.ts';
import { opensEpisode } from './conversation.ts';
import type { Decision, Turn } from './conversation.ts';
import { decideByCourtesy, withCourtesies } from './courtesy.ts';
import { gateOf, hasWords, isUnreadable } from './gates.ts';
import { findLoop, looksForLoops } from './loop-breaker.ts';
import type { LoopFound, SaidMessage } from './loop-breaker.ts';
import { offlineAnswer } from './offline-answer.ts';
import { phrasesFor } from './phrases.ts';
import type { Phrases } from './phrases.ts';
import { buildPrompt, questionOf } from './prompt.ts';
import { isTopicForPerson, routingOf, triggersInWords } from './triggers.ts';

/** Under this the bot stops guessing: it asks back once, and calls a person the second time. */
const MIN_CONFIDENCE = 0.55;
/** Unsure answers in a row after which a person is called instead of another one. */
const UNSURE_MAX = 1;
/** Passages below this share a word with the question and answer nothing of it. */
const FOUND_SCORE_MIN = 0.2;

/** What deciding needs, and nothing more. */
export interface DecideNeeds {
  readonly knowledge: { find(tenantId: TenantId, question: string): Promise<readonly FoundPassage[]> };
  readonly contextOf: (turn: Turn) => Promise<ConversationContext>;
  /** What was said before and is said now, for who wants to know whether a machine answers. Absent: nobody does. */
  readonly saidLately?: (turn: Turn) => Promise<readonly SaidMessage[]>;
  readonly models: readonly Model[];
  readonly log: Logger;
}

export interface Decided {
  readonly decision: Decision;
  readonly conversationId: ConversationId;
  /** What was read, found, asked, answered and decided, for the people who want to know why. */
  readonly trace: Readonly<Record<string, unknown>>;
  /** What was remembered before these messages; undefined where nobody had to look. */
  readonly context: ConversationContext | undefined;
  /** Why it is not an ordinary reply, each in one closed word, the deciding one first. */
  readonly reasons: readonly string[];
  readonly found: readonly FoundPassage[];
  /** What the model proposed, where one was asked and answered. */
  readonly draft: Draft | undefined;
  /** What gave a machine away; undefined where nobody thinks so. */
  readonly loop?: LoopFound | undefined;
  /** What wrote the words: a metric label. */
  readonly rung: 'gate' | 'model' | 'fallback-model' | 'offline';
}

/** What to do about a turn that is not decided now. */
export type NotDecided = { readonly instead: 'take-back' } | { readonly instead: 'wait'; readonly ms: number };

/**
 * Decides about everything that waits in a conversation. Changes nothing: what comes back is a value.
 *
 * @param time.deadline on the monotonic clock; the decision is there by then, whatever the models do.
 */
export async function decideTurn(
  needs: DecideNeeds,
  over: { turn: Turn; tenant: Tenant },
  time: { deadline: number; signal: AbortSignal },
): Promise<Decided | NotDecided> {
  const early = decideByCourtesy(over);
  const decided = early === undefined ? await decide(needs, over, time) : byCourtesy(over.turn, early);
  return 'instead' in decided ? decided : { ...decided, decision: withCourtesies(decided.decision, over) };
}

async function decide(
  needs: DecideNeeds,
  { turn, tenant }: { turn: Turn; tenant: Tenant },
  time: { deadline: number; signal: AbortSignal },
): Promise<Decided | NotDecided> {
  const phrases = phrasesFor(tenant.locale);
  const gate = gateOf(turn, tenant.settings);
  switch (gate.pass) {
    case 'wait':
      return { instead: 'wait', ms: gate.ms };
    case 'take-back':
      return { instead: 'take-back' };
    case 'leave-to-human':
      return byGate(turn, { kind: 'leave-to-human' }, ['person-owns']);
    case 'record':
      return byGate(turn, { kind: 'record', reason: gate.reason }, [gate.reason]);
    case 'hand-over':
      return byTrigger(gate.reason, { turn, tenant, phrases });
    case 'media-only':
      if (turn.unsureInARow >= UNSURE_MAX) return byTrigger('unreadable-twice', { turn, tenant, phrases });
      return byGate(turn, { kind: 'reply', bubbles: [phrases.cannotRead], isUnsure: true }, ['unreadable']);
    case 'compose': {
      const loop = await loopIn(needs, { turn, tenant });
      if (loop === undefined) return await compose(needs, { turn, tenant, phrases }, time);
      const broken = byTrigger('loop', { turn, tenant, phrases });
      return { ...broken, loop, trace: { ...broken.trace, loop } };
    }
  }
}

/** The decision to call a person, with the one sentence that says so. */
export function handOver(reason: HandoffReason, phrases: Phrases): Decision {
  return { kind: 'hand-over', reason, bubbles: [phrases.handOver(reason)] };
}

/** Whether a machine answers. Asked before any model is, which is what a loop costs. */
async function loopIn(
  needs: Pick<DecideNeeds, 'saidLately'>,
  { turn, tenant }: { turn: Turn; tenant: Tenant },
): Promise<LoopFound | undefined> {
  // Who opens an episode answers nothing of ours.
  if (needs.saidLately === undefined || opensEpisode(turn) || !looksForLoops(tenant.settings)) return undefined;
  return findLoop(await needs.saidLately(turn), tenant.settings);
}

interface Composing {
  readonly turn: Turn;
  readonly tenant: Tenant;
  readonly phrases: Phrases;
}

async function compose(
  needs: DecideNeeds,
  { turn, tenant, phrases }: Composing,
  time: { deadline: number; signal: AbortSignal },
): Promise<Decided> {
  const startedAt = monotonicMs();
  const ready = await prepare(needs, { turn, tenant });
  const { passages, context, question } = ready;
  if (isTopicForPerson(turn, tenant.settings, passages)) {
    return { ...byTrigger('tenant-rule', { turn, tenant, phrases }, passages), context };
  }
  const readyAt = monotonicMs();
  const composed = await composeDraft(needs, ready.request, time);
  const weighed = await inSpan('guard', {}, (span) => {
    const it = fromDraft(composed, { turn, tenant, phrases, passages, question });
    span.set({ 'plantao.decision': it.decision.kind, 'plantao.rung': it.rung });
    return Promise.resolve(it);
  });
  const { rung, reasons } = weighed;
  const decision = routed(withNoteAboutMedia(weighed.decision, turn, phrases), { turn, tenant }, passages);
  return {
    conversationId: turn.conversationId,
    context,
    decision,
    reasons,
    found: passages,
    draft: composed.draft,
    rung: rung === 'model' && composed.draft?.usage.model !== needs.models[0]?.name ? 'fallback-model' : rung,
    trace: {
      ...traceOf(turn, reasons, decision),
      found: foundOf(passages),
      asked: { question, remembered: context.messages.length, summary: context.summary, facts: context.facts },
      promptBytes: bytesOf(ready.request),
      attempts: composed.attempts,
      draft: composed.draft,
      milliseconds: { search: Math.round(readyAt - startedAt), model: Math.round(monotonicMs() - readyAt) },
    },
  };
}

/** What is found, remembered and asked for these messages. Changes nothing and asks no model. */
export async function prepare(
  needs: Pick<DecideNeeds, 'knowledge' | 'contextOf'>,
  { turn, tenant }: Pick<Composing, 'turn' | 'tenant'>,
): Promise<Prepared> {
  const question = questionOf(turn.messages.filter(hasWords));
  const [passages, context] = await Promise.all([
    inSpan('search', {}, async (span) => {
      const found = await needs.knowledge.find(turn.tenantId, question);
      span.set({ 'plantao.passages': found.length });
      return found;
    }),
    inSpan('context', {}, () => needs.contextOf(turn)),
  ]);
  const { name: company, locale, timeZone } = tenant;
  const request = buildPrompt({ company, locale, timeZone, now: turn.now, passages, context, question });
  return { question, passages, context, request };
}

export interface Prepared {
  readonly question: string;
  readonly passages: readonly FoundPassage[];
  readonly context: ConversationContext;
  readonly request: ComposeRequest;
}

interface Weighing extends Composing {
  readonly passages: readonly FoundPassage[];
  readonly question: string;
}

interface Weighed {
  readonly decision: Decision;
  readonly reasons: readonly string[];
}

function fromDraft(composed: Composed, weighing: Weighing): Weighed & { readonly rung: 'model' | 'offline' } {
  const { turn, tenant, phrases, passages, question } = weighing;
  const { draft } = composed;
  if (draft !== undefined) return { ...guarded(draft, weighing), rung: 'model' };
  const offline = offlineAnswer(question, passages, { phrases, company: tenant.name });
  const ending = offline.isUnsure ? endOfGuessing(weighing) : undefined;
  if (ending === 'unsure-twice' || (ending !== undefined && turn.unsureInARow >= UNSURE_MAX)) {
    return { ...calling('model-unavailable', phrases), rung: 'offline' };
  }
  if (ending !== undefined) return { ...calling(ending, phrases), rung: 'offline' };
  const decision = replyWith(offline.text, offline.isUnsure, phrases);
  const reasons = ['model-unavailable', ...(offline.isUnsure ? [doubtOf(passages)] : [])];
  return { decision, reasons, rung: 'offline' };
}

function guarded(draft: Draft, weighing: Weighing): Weighed {
  const { phrases, passages } = weighing;
  if (draft.wantsHuman) return calling('customer-asked', phrases);
  if (draft.confidence >= MIN_CONFIDENCE) return { decision: replyWith(draft.reply, false, phrases), reasons: [] };
  const ending = endOfGuessing(weighing);
  if (ending !== undefined) return calling(ending, phrases);
  const topics = [...new Set(passages.map((passage) => passage.title))].slice(0, 3);
  return { decision: replyWith(phrases.unsure(topics), true, phrases), reasons: [doubtOf(passages)] };
}

/** Why an unsure answer is not given, but a person called; undefined while asking back is still worth it. */
function endOfGuessing({ turn, tenant, passages }: Weighing): 'nothing-found' | 'unsure-twice' | undefined {
  const isFound = doubtOf(passages) === 'unsure';
  if (!isFound && tenant.settings.nothingFound === 'hand-over') return 'nothing-found';
  if (turn.unsureInARow < UNSURE_MAX) return undefined;
  return isFound ? 'unsure-twice' : 'nothing-found';
}

function doubtOf(passages: readonly FoundPassage[]): 'unsure' | 'nothing-found' {
  return passages.some(({ score }) => score >= FOUND_SCORE_MIN) ? 'unsure' : 'nothing-found';
}

function calling(reason: HandoffReason, phrases: Phrases): Weighed {
  return { decision: handOver(reason, phrases), reasons: [reason] };
}

function replyWith(text: string, isUnsure: boolean, phrases: Phrases): Decision {
  const [first, ...rest] = splitIntoBubbles(text);
  // A model that answers with nothing but white space has given no answer; silence is not one of our outcomes.
  if (first === undefined) return { kind: 'reply', bubbles: [phrases.unsure([])], isUnsure: true };
  return { kind: 'reply', bubbles: [first, ...rest], isUnsure };
}

function withNoteAboutMedia(decision: Decision, turn: Turn, phrases: Phrases): Decision {
  if (decision.kind !== 'reply' || !turn.messages.some(isUnreadable)) return decision;
  return { ...decision, bubbles: [...decision.bubbles, phrases.cannotReadEither] };
}

/** A handoff goes where the tenant's rules want it, whatever called for it. */
function routed(
  decision: Decision,
  { turn, tenant }: Pick<Composing, 'turn' | 'tenant'>,
  found: readonly FoundPassage[],
): Decision {
  if (decision.kind !== 'hand-over') return decision;
  return { ...decision, routing: routingOf(turn, tenant.settings, found) };
}

function byTrigger(
  reason: HandoffReason,
  { turn, tenant, phrases }: Composing,
  found: readonly FoundPassage[] = [],
): Decided {
  const reasons = new Set([reason, ...triggersInWords(turn, tenant.settings)]);
  const decided = byGate(turn, routed(handOver(reason, phrases), { turn, tenant }, found), [...reasons]);
  return found.length === 0 ? decided : { ...decided, found, trace: { ...decided.trace, found: foundOf(found) } };
}

function byCourtesy(turn: Turn, decision: Decision): Decided {
  const reason = 'reason' in decision ? decision.reason : decision.courtesies?.consent?.kind;
  return byGate(turn, decision, [...(reason === undefined ? [] : [reason])]);
}

function byGate(turn: Turn, decision: Decision, reasons: readonly string[]): Decided {
  return {
    conversationId: turn.conversationId,
    context: undefined,
    decision,
    reasons,
    found: [],
    draft: undefined,
    rung: 'gate',
    trace: { ...traceOf(turn, reasons, decision), gate: decision.kind },
  };
}

function traceOf(turn: Turn, reasons: readonly string[], decision: Decision): Readonly<Record<string, unknown>> {
  const routing = decision.kind === 'hand-over' ? decision.routing : undefined;
  return {
    read: turn.messages.map((message) => message.id),
    ...(reasons.length === 0 ? {} : { reasons }),
    ...(routing === undefined ? {} : { routing }),
  };
}

function foundOf(passages: readonly FoundPassage[]): readonly object[] {
  return passages.map(({ documentId, title, score }) => ({ documentId, title, score: Number(score.toFixed(3)) }));
}

function bytesOf({ system, messages }: ComposeRequest): number {
  return Buffer.byteLength(system) + messages.reduce((sum, it) => sum + Buffer.byteLength(it.text), 0);
}
