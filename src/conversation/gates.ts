import type { TenantSettings } from '../tenants/tenants.ts';
import type { HandoffReason } from '../vocabulary/events.ts';
import type { Turn, UnansweredMessage } from './conversation.ts';
import { triggersInWords } from './triggers.ts';

/** What is clear about a turn before anything is searched or asked. */
export type Gate =
  | { readonly pass: 'compose' }
  | { readonly pass: 'take-back' }
  | { readonly pass: 'wait'; readonly ms: number }
  | { readonly pass: 'leave-to-human' }
  | { readonly pass: 'record'; readonly reason: 'nothing-said' | 'sticker-only' }
  | { readonly pass: 'media-only' }
  | { readonly pass: 'hand-over'; readonly reason: HandoffReason };

const MINUTE_MS = 60_000;

/**
 * The gates, in the order of what outranks what: who owns the conversation, whether there is anything to answer, whether
 * what they say calls for a person, age, limits. Pure.
 */
export function gateOf(turn: Turn, settings: TenantSettings): Gate {
  if (turn.owner === 'human') {
    const hasLapsed = turn.ownerLapsesAt !== undefined && turn.ownerLapsesAt <= turn.now;
    return { pass: hasLapsed ? 'take-back' : 'leave-to-human' };
  }
  const worded = turn.messages.filter(hasWords);
  const [reason] = triggersInWords(turn, settings);
  if (reason !== undefined) return { pass: 'hand-over', reason };
  if (isTooOld(turn, settings)) return { pass: 'hand-over', reason: 'too-old' };
  if (worded.length === 0) return withoutWords(turn);
  return limits(turn, settings);
}

/** Whether there are words to answer: typed, a caption, a place, a card. */
export function hasWords(message: UnansweredMessage): boolean {
  return (message.text ?? '').trim() !== '';
}

/** Whether this holds something that nobody here can read yet. */
export function isUnreadable(message: UnansweredMessage): boolean {
  switch (message.kind) {
    case 'audio':
    case 'image':
    case 'video':
    case 'document':
      return true;
    case 'text':
    case 'sticker':
    case 'location':
    case 'contact':
    case 'poll':
    case 'other':
      return false;
  }
}

function withoutWords(turn: Turn): Gate {
  if (turn.messages.some(isUnreadable)) return { pass: 'media-only' };
  if (turn.messages.every((message) => message.kind === 'sticker')) return { pass: 'record', reason: 'sticker-only' };
  // A form of message we have never seen may hold anything, so it is answered like one that we cannot read.
  if (turn.messages.some((message) => message.kind !== 'text' && message.kind !== 'sticker'))
    return { pass: 'media-only' };
  return { pass: 'record', reason: 'nothing-said' };
}

function isTooOld(turn: Turn, settings: TenantSettings): boolean {
  const newest = Math.max(...turn.messages.map((message) => message.saidAt.getTime()));
  return settings.answerWithinMinutes > 0 && turn.now.getTime() - newest > settings.answerWithinMinutes * MINUTE_MS;
}

function limits(turn: Turn, settings: TenantSettings): Gate {
  const { counts } = turn;
  if (settings.loopBreaker > 0 && counts.turnsLastTenMinutes >= settings.loopBreaker) {
    return { pass: 'hand-over', reason: 'loop' };
  }
  if (settings.contactPerDay > 0 && counts.answeredLastDay >= settings.contactPerDay) {
    return { pass: 'hand-over', reason: 'contact-limit' };
  }
  if (settings.contactMoneyPerDay > 0 && counts.spentLastDay >= settings.contactMoneyPerDay) {
    return { pass: 'hand-over', reason: 'contact-limit' };
  }
  if (settings.contactPerMinute > 0 && counts.answeredLastMinute >= settings.contactPerMinute) {
    return { pass: 'wait', ms: MINUTE_MS / 2 };
  }
  return { pass: 'compose' };
}
