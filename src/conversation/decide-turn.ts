import type { FoundPassage } from '../knowledge/knowledge.ts';
import { splitIntoBubbles } from '../delivery/delivery.ts';
import type { Logger } from '../platform/logger.ts';
import { monotonicMs } from '../platform/time.ts';
import { inSpan } from '../platform/tracing.ts';
import type { Tenant } from '../tenants/tenants.ts';
import type { HandoffReason } from '../vocabulary/events.ts';
import type { ConversationId, TenantId } from '../vocabulary/ids.ts';
import type { Draft, Model } from '../vocabulary/model.ts';
import { composeDraft } from './compose-reply.ts';
import type { Composed } from './compose-reply.ts';
import type { ConversationContext } from './conversation-context.ts';
import type { Decision, Turn } from './conversation.ts';
import { gateOf, hasWords, isUnreadable } from './gates.ts';
import { offlineAnswer } from './offline-answer.ts';
import { phrasesFor } from './phrases.ts';
import type { Phrases } from './phrases.ts';
import { buildPrompt, questionOf } from './prompt.ts';

/** Under this the bot stops guessing: it asks back once, and calls a person the second time. */
const MIN_CONFIDENCE = 0.55;
/** Unsure answers in a row after which a person is called instead of another one. */
const UNSURE_MAX = 1;

/** What deciding needs, and nothing more. */
export interface DecideNeeds {
  readonly knowledge: { find(tenantId: TenantId, question: string): Promise<readonly FoundPassage[]> };
  readonly contextOf: (turn: Turn) => Promise<ConversationContext>;
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
      return byGate(turn, { kind: 'leave-to-human' });
    case 'record':
      return byGate(turn, { kind: 'record', reason: gate.reason });
    case 'hand-over':
      return byGate(turn, handOver(gate.reason, phrases));
    case 'media-only':
      return byGate(turn, { kind: 'reply', bubbles: [phrases.cannotRead], isUnsure: false });
    case 'compose':
      return await compose(needs, { turn, tenant, phrases }, time);
  }
}

/** The decision to call a person, with the one sentence that says so. */
export function handOver(reason: HandoffReason, phrases: Phrases): Decision {
  return { kind: 'hand-over', reason, bubbles: [phrases.handOver(reason)] };
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
  const question = questionOf(turn.messages.filter(hasWords));
  const [passages, context] = await Promise.all([
    inSpan('search', {}, async (span) => {
      const found = await needs.knowledge.find(turn.tenantId, question);
      span.set({ 'plantao.passages': found.length });
      return found;
    }),
    inSpan('context', {}, () => needs.contextOf(turn)),
  ]);
  const readyAt = monotonicMs();
  const request = buildPrompt({
    company: tenant.name,
    locale: tenant.locale,
    timeZone: tenant.timeZone,
    now: turn.now,
    passages,
    context,
    question,
  });
  const composed = await composeDraft(needs, request, time);
  const { decision, rung } = await inSpan('guard', {}, (span) => {
    const weighed = fromDraft(composed, { turn, tenant, phrases, passages, question });
    span.set({ 'plantao.decision': weighed.decision.kind, 'plantao.rung': weighed.rung });
    return Promise.resolve(weighed);
  });
  return {
    conversationId: turn.conversationId,
    context,
    decision: withNoteAboutMedia(decision, turn, phrases),
    rung: rung === 'model' && composed.draft?.usage.model !== needs.models[0]?.name ? 'fallback-model' : rung,
    trace: {
      read: turn.messages.map((message) => message.id),
      found: passages.map(({ documentId, title, score }) => ({ documentId, title, score: Number(score.toFixed(3)) })),
      asked: { question, remembered: context.messages.length, summary: context.summary, facts: context.facts },
      promptBytes:
        Buffer.byteLength(request.system) + request.messages.reduce((sum, it) => sum + Buffer.byteLength(it.text), 0),
      attempts: composed.attempts,
      draft: composed.draft,
      milliseconds: { search: Math.round(readyAt - startedAt), model: Math.round(monotonicMs() - readyAt) },
    },
  };
}

interface Weighing extends Composing {
  readonly passages: readonly FoundPassage[];
  readonly question: string;
}

function fromDraft(composed: Composed, weighing: Weighing): { decision: Decision; rung: 'model' | 'offline' } {
  const { turn, tenant, phrases, passages, question } = weighing;
  const { draft } = composed;
  if (draft !== undefined) return { decision: guarded(draft, weighing), rung: 'model' };
  const offline = offlineAnswer(question, passages, { phrases, company: tenant.name });
  const decision =
    offline.isUnsure && turn.unsureInARow >= UNSURE_MAX
      ? handOver('model-unavailable', phrases)
      : replyWith(offline.text, offline.isUnsure, phrases);
  return { decision, rung: 'offline' };
}

function guarded(draft: Draft, { turn, phrases, passages }: Weighing): Decision {
  if (draft.wantsHuman) return handOver('customer-asked', phrases);
  if (draft.confidence >= MIN_CONFIDENCE) return replyWith(draft.reply, false, phrases);
  if (turn.unsureInARow >= UNSURE_MAX) return handOver('unsure-twice', phrases);
  return replyWith(phrases.unsure([...new Set(passages.map((passage) => passage.title))].slice(0, 3)), true, phrases);
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

function byGate(turn: Turn, decision: Decision): Decided {
  return {
    conversationId: turn.conversationId,
    context: undefined,
    decision,
    rung: 'gate',
    trace: { read: turn.messages.map((message) => message.id), gate: decision.kind },
  };
}
