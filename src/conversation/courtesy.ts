import { BUBBLE_CHARACTERS_MAX } from '../delivery/delivery.ts';
import {
  businessCalendarOf,
  isClosingThanks,
  isOpenAt,
  nextOpening,
  openMsBetween,
  readCsatAnswer,
} from '../handoff/handoff.ts';
import type { BusinessCalendar } from '../handoff/handoff.ts';
import { newestWish, wantsOptIn, wantsOptOut } from '../privacy/privacy.ts';
import type { ConsentChange } from '../privacy/privacy.ts';
import { filledIn } from '../tenants/tenants.ts';
import type { Tenant } from '../tenants/tenants.ts';
import type { Courtesies, CsatGiven, Decision, Turn, UnansweredMessage } from './conversation.ts';
import { courtesyPhrasesFor } from './courtesy-phrases.ts';
import { gateOf, hasWords, isUnreadable } from './gates.ts';
import { phrasesFor } from './phrases.ts';
import { routingOf, triggersInWords } from './triggers.ts';

const DAY_MS = 86_400_000;
/** How long after the last word to a customer thanks are for that. */
const GOODBYE_WITHIN_MS = DAY_MS;

interface Place {
  readonly turn: Turn;
  readonly tenant: Tenant;
}

/**
 * What manners alone decide, before anything is searched or asked: whether the customer wants to hear from us at all,
 * whether this is a goodbye or a mark for the service, whether nobody is there. Undefined: it is to be answered. Pure.
 */
export function decideByCourtesy({ turn, tenant }: Place): Decision | undefined {
  if (gateOf(turn, tenant.settings).pass === 'take-back') return undefined;
  if (turn.owner === 'human') return silentConsent(turn);
  return (
    byConsent({ turn, tenant }) ??
    (turn.owner === 'nobody' ? afterClosing({ turn, tenant }) : undefined) ??
    away({ turn, tenant })
  );
}

/** What is said beside the words of a decision, and what is noted with it. Safe to apply to any decision once. Pure. */
export function withCourtesies(decision: Decision, { turn, tenant }: Place): Decision {
  const noted: Courtesies = {
    ...decision.courtesies,
    consent: decision.courtesies?.consent ?? consentIn(turn),
    csat: decision.courtesies?.csat ?? csatIn(turn),
  };
  const silent = silenced({ ...decision, courtesies: noted }, turn);
  return introduced(withPeopleBack(consented(silent, { turn, tenant }), { turn, tenant }), { turn, tenant });
}

/** The newest wish about being written to, if it changes anything. */
function consentIn(turn: Turn): ConsentChange | undefined {
  return newestWish(turn.messages, turn.courtesy.isOptedOut);
}

/** A person has the conversation and says what is to be said. That the customer wants to be left alone is kept all the same. */
function silentConsent(turn: Turn): Decision | undefined {
  const consent = consentIn(turn);
  return consent && { kind: 'leave-to-human', courtesies: { consent } };
}

/** A wish for a person is heard from anybody; beside it, who has opted out hears nothing, and who opts out one sentence. */
function byConsent({ turn, tenant }: Place): Decision | undefined {
  const phrases = courtesyPhrasesFor(tenant.locale);
  const consent = consentIn(turn);
  const reasons = triggersInWords(turn, tenant.settings);
  if (reasons.includes('customer-asked') || reasons.includes('threat')) return undefined;
  if (consent?.kind === 'opt-out') {
    return { kind: 'reply', bubbles: [phrases.optedOut], isUnsure: false, courtesies: { consent } };
  }
  if (consent?.kind === 'opt-in') {
    // What came with it is answered; it is greeted beside the answer.
    const isAlone = turn.messages.filter(hasWords).every(({ text = '' }) => wantsOptIn(text) || wantsOptOut(text));
    return isAlone
      ? { kind: 'reply', bubbles: [phrases.optedIn], isUnsure: false, courtesies: { consent } }
      : undefined;
  }
  return turn.courtesy.isOptedOut ? { kind: 'record', reason: 'opted-out' } : undefined;
}

/** The matter is closed: a mark for the service and a goodbye open nothing. */
function afterClosing({ turn, tenant }: Place): Decision | undefined {
  const worded = turn.messages.filter(hasWords);
  if (worded.length === 0 || turn.messages.some(isUnreadable)) return undefined;
  if (triggersInWords(turn, tenant.settings).length > 0) return undefined;
  if (isHeardAsGoodbye(turn) && worded.every(({ text = '' }) => isClosingThanks(text)) && csatIn(turn) === undefined) {
    return { kind: 'record', reason: 'closing-thanks' };
  }
  const csat = csatIn(turn);
  if (csat === undefined || !worded.every(isAnsweredByThanks)) return undefined;
  return {
    kind: 'record',
    reason: 'csat-answer',
    bubbles: [courtesyPhrasesFor(tenant.locale).csatThanks],
    courtesies: { csat },
  };
}

/** "ok" answers what was said lately; days later it begins something. */
function isHeardAsGoodbye({ lastSaidAt, now }: Turn): boolean {
  return lastSaidAt !== undefined && now.getTime() - lastSaidAt.getTime() <= GOODBYE_WITHIN_MS;
}

function isAnsweredByThanks({ text = '' }: UnansweredMessage): boolean {
  return readCsatAnswer(text)?.isMoreThanThat === false || isClosingThanks(text);
}

/** The first mark among these messages, while one is asked for. What follows a word in other messages is said beside it. */
function csatIn(turn: Turn): CsatGiven | undefined {
  const { surveyId } = turn.courtesy;
  if (surveyId === undefined || turn.owner !== 'nobody') return undefined;
  for (const [index, { id, text = '' }] of turn.messages.entries()) {
    const answer = readCsatAnswer(text);
    const fromHere = turn.messages.slice(index).map((message) => message.text ?? '');
    if (answer !== undefined && (!answer.isInWords || readCsatAnswer(fromHere.join('\n')) !== undefined)) {
      return { surveyId, score: answer.score, messageId: id, hasComment: answer.comment !== undefined };
    }
  }
  return undefined;
}

/** Outside the hours of a tenant that wants nothing answered then: the words for it once, and a handoff that waits. */
function away({ turn, tenant }: Place): Decision | undefined {
  if (tenant.settings.hours.outside !== 'away-only') return undefined;
  const closed = closedAt({ turn, tenant });
  if (closed === undefined) return undefined;
  const { pass } = gateOf(turn, tenant.settings);
  if (pass !== 'compose' && pass !== 'media-only') return undefined;
  return {
    kind: 'hand-over',
    reason: 'outside-hours',
    bubbles: wasAwaySaid(turn, closed) ? [] : [awayText(tenant, turn, 'away')],
    routing: routingOf(turn, tenant.settings, []),
    courtesies: { saysAway: true },
  };
}

/** Nothing is said to whom it is not welcome, whatever was decided. Only who asks for a person is told that one comes. */
function silenced(decision: Decision, turn: Turn): Decision {
  const { courtesies } = decision;
  if (!turn.courtesy.isOptedOut || courtesies?.consent?.kind === 'opt-in') return decision;
  switch (decision.kind) {
    case 'reply':
      return { kind: 'record', reason: 'opted-out', courtesies };
    case 'hand-over':
      return decision.reason === 'customer-asked' ? decision : { ...decision, bubbles: [] };
    case 'record':
      return { ...decision, bubbles: undefined };
    case 'leave-to-human':
      return decision;
  }
}

/** The sentence about consent goes before the others, where they do not say it themselves. */
function consented(decision: Decision, { turn, tenant }: Place): Decision {
  const { optedOut, optedIn } = courtesyPhrasesFor(tenant.locale);
  const consent = decision.courtesies?.consent;
  if (consent === undefined || turn.owner === 'human' || decision.kind === 'leave-to-human') return decision;
  const sentence = consent.kind === 'opt-out' ? optedOut : optedIn;
  if (decision.kind === 'record' || decision.bubbles[0] === sentence) return decision;
  return { ...decision, bubbles: [sentence, ...decision.bubbles] };
}

function withPeopleBack(decision: Decision, { turn, tenant }: Place): Decision {
  const closed = closedAt({ turn, tenant });
  if (closed === undefined || decision.courtesies?.saysAway === true) return decision;
  const phrases = courtesyPhrasesFor(tenant.locale);
  if (decision.kind === 'hand-over') {
    const [last, ...before] = decision.bubbles.toReversed();
    if (last === undefined) return decision;
    const ending = inOneBubble([last, phrases.peopleBack(backOf({ turn, tenant }, closed))], ' ');
    return {
      ...decision,
      bubbles: [...before.toReversed(), ...ending],
      courtesies: { ...decision.courtesies, saysAway: true },
    };
  }
  const isToSay = tenant.settings.hours.outside === 'answer-and-say' && !wasAwaySaid(turn, closed);
  if (decision.kind !== 'reply' || !isToSay || decision.courtesies?.consent !== undefined) return decision;
  const [first, ...others] = decision.bubbles;
  const last = others.at(-1);
  const ending = inOneBubble([last ?? first, awayText(tenant, turn, 'awayBesides')], '\n\n');
  return {
    ...decision,
    bubbles: last === undefined ? ending : [first, ...others.slice(0, -1), ...ending],
    courtesies: { ...decision.courtesies, saysAway: true },
  };
}

/** The first words to somebody say who speaks, in the same bubble. Who opts out hears one sentence and no more. */
function introduced(decision: Decision, { turn, tenant }: Place): Decision {
  if (decision.kind !== 'reply' && decision.kind !== 'hand-over') return decision;
  const first = decision.bubbles.at(0);
  const others = decision.bubbles.slice(1);
  if (first === undefined || decision.courtesies?.consent !== undefined || !isIntroductionDue(turn, tenant))
    return decision;
  const courtesies = { ...decision.courtesies, introduces: true };
  const [greeting] = phrasesFor(tenant.locale).greeting(tenant.name, []).split('\n');
  // The greeting says it all by itself.
  if (greeting !== undefined && first.startsWith(greeting)) return { ...decision, courtesies };
  const words = introductionTo(decision, first, tenant);
  return { ...decision, bubbles: [...inOneBubble([words, first], '\n\n'), ...others], courtesies };
}

/** Two texts together, or each in a bubble of its own where they would be too long for one. */
function inOneBubble([first, second]: readonly [string, string], gap: string): [string, ...string[]] {
  const together = `${first}${gap}${second}`;
  return together.length <= BUBBLE_CHARACTERS_MAX ? [together] : [first, second];
}

function introductionTo(decision: Decision, first: string, tenant: Tenant): string {
  const phrases = courtesyPhrasesFor(tenant.locale);
  const own = tenant.settings.introduction;
  if (own !== null) return filledIn(own, { company: tenant.name });
  const saysHow = decision.kind === 'hand-over' || first.includes(phrases.wayToPerson);
  return saysHow ? phrases.shortIntroduction(tenant.name) : phrases.introduction(tenant.name);
}

function isIntroductionDue({ courtesy, lastSaidAt, now }: Turn, { settings }: Tenant): boolean {
  if (courtesy.introducedAt === undefined) return true;
  const againMs = settings.introduceAgainDays * DAY_MS;
  const heardAt = Math.max(courtesy.introducedAt.getTime(), lastSaidAt?.getTime() ?? 0);
  return againMs > 0 && now.getTime() - heardAt > againMs;
}

/** The tenant's calendar, if it is closed now; undefined while people are there, or none is set. */
function closedAt({ turn, tenant }: Place): BusinessCalendar | undefined {
  const { businessCalendar } = tenant.settings;
  if (businessCalendar === null) return undefined;
  const calendar = businessCalendarOf(businessCalendar, tenant.timeZone);
  return isOpenAt(calendar, turn.now) ? undefined : calendar;
}

/** Whether it was said since people went: nothing was open between then and now. */
function wasAwaySaid({ courtesy: { awaySaidAt }, now }: Turn, calendar: BusinessCalendar): boolean {
  if (awaySaidAt === undefined) return false;
  return awaySaidAt >= now || openMsBetween(calendar, awaySaidAt, now) === 0;
}

function backOf({ turn, tenant }: Place, calendar: BusinessCalendar): string | undefined {
  const at = nextOpening(calendar, turn.now);
  return at && courtesyPhrasesFor(tenant.locale).back(at, turn.now, tenant.timeZone);
}

function awayText(tenant: Tenant, turn: Turn, kind: 'away' | 'awayBesides'): string {
  const phrases = courtesyPhrasesFor(tenant.locale);
  const closed = closedAt({ turn, tenant });
  const back = (closed && backOf({ turn, tenant }, closed)) ?? phrases.soon;
  const own = tenant.settings.hours.awayText;
  return own === null ? phrases[kind](back) : filledIn(own, { company: tenant.name, back });
}
