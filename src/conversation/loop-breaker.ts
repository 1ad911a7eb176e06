import type { LoopSignal } from '../vocabulary/events.ts';
import { foldedText } from '../vocabulary/folded-text.ts';
import { isSentenceOfOurs } from './own-words.ts';

/** One thing said in the present episode, oldest first. Ours counts from when it left us, theirs from when it arrived. */
export interface SaidMessage {
  readonly author: 'customer' | 'bot';
  readonly text: string;
  readonly at: Date;
}

/** What a tenant may set. Each is a number of replies of theirs, and 0 switches the signal off. */
export interface LoopLimits {
  /** Near-repeats and automatic wordings, each weighed by how much it says. */
  readonly loopRepeats: number;
  /** Replies in a row that no hand can type, or that come by the clock. */
  readonly loopCadence: number;
  /** Replies in our own words. */
  readonly loopOwnWords: number;
}

export interface LoopFound {
  readonly signal: LoopSignal;
  /** Their replies that were looked at. */
  readonly replies: number;
}

/** Their replies that are looked at: what was said before is forgotten. */
const REPLIES_LOOKED_AT = 8;
/** Messages from which those are read. */
export const MESSAGES_LOOKED_AT = 40;
/** Later than this it is no answer to what we said, but somebody who comes back. */
const ANSWERS_WITHIN_MS = 10 * 60_000;
/** Characters of a text that are compared. A menu is told by its first lines, and the work stays bounded. */
const COMPARED_MAX = 1_000;

/** Whether any signal is on; else nothing that was said needs to be read. */
export function looksForLoops({ loopOwnWords, loopRepeats, loopCadence }: LoopLimits): boolean {
  return loopOwnWords > 0 || loopRepeats > 0 || loopCadence > 0;
}

/**
 * Whether a machine answers us, by what it says and when. Pure.
 *
 * A loop is their reply after our reply after theirs, so a burst without a word of ours in between is one reply, however
 * often it says the same. Only the newest reply can trip: who writes something new after all is a person.
 */
export function findLoop(said: readonly SaidMessage[], limits: LoopLimits): LoopFound | undefined {
  const replies = repliesOf(said).slice(-REPLIES_LOOKED_AT);
  const newest = replies.at(-1);
  if (newest === undefined || replies.length < 2) return undefined;
  const found = (signal: LoopSignal): LoopFound => ({ signal, replies: replies.length });
  if (limits.loopOwnWords > 0 && isParrot(replies, limits.loopOwnWords)) return found('own-words');
  if (limits.loopRepeats > 0 && isBrokenRecord(replies, limits.loopRepeats)) return found('repeated-text');
  if (limits.loopCadence > 0 && isClockwork(replies, limits.loopCadence)) return found('machine-cadence');
  return undefined;
}

/** Everything a contact said between two things that we said. */
interface Reply {
  /** Folded, and cut to what is compared. */
  readonly text: string;
  readonly letters: string;
  /** Length of its first message as it was typed. */
  readonly typed: number;
  readonly isSentence: boolean;
  readonly saidAutomatically: boolean;
  /** Our messages right before it, and everything that we said before. */
  readonly ours: readonly string[];
  readonly oursLately: readonly string[];
  /** Since we spoke; undefined for the first word of all. */
  readonly afterOursMs: number | undefined;
  /** Since they spoke last: a person may have been typing all that time. */
  readonly afterTheirsMs: number | undefined;
}

function repliesOf(said: readonly SaidMessage[]): readonly Reply[] {
  const replies: Reply[] = [];
  const ours: string[] = [];
  let theirs: SaidMessage[] = [];
  let between: SaidMessage[] = [];
  let lastTheirs: SaidMessage | undefined;
  const close = (): void => {
    const [first] = theirs;
    if (first === undefined) return;
    replies.push(replyOf({ theirs, first, between, ours, lastTheirs }));
    lastTheirs = theirs.at(-1);
    between = [];
    theirs = [];
  };
  for (const message of said) {
    if (message.author === 'bot') {
      close();
      between.push(message);
      ours.push(lettersOf(message.text));
    } else theirs.push(message);
  }
  close();
  return replies;
}

interface ReplyParts {
  readonly theirs: readonly SaidMessage[];
  readonly first: SaidMessage;
  readonly between: readonly SaidMessage[];
  readonly ours: readonly string[];
  readonly lastTheirs: SaidMessage | undefined;
}

function replyOf({ theirs, first, between, ours, lastTheirs }: ReplyParts): Reply {
  const whole = theirs.map((message) => message.text).join('\n');
  const text = foldedText(whole.slice(0, COMPARED_MAX));
  const since = (before: SaidMessage | undefined): number | undefined =>
    before === undefined ? undefined : first.at.getTime() - before.at.getTime();
  return {
    text,
    letters: lettersOf(whole),
    typed: first.text.length,
    isSentence: SENTENCE.test(whole.trim()),
    saidAutomatically: AUTOMATIC.some((pattern) => pattern.test(text)),
    ours: between.map((message) => lettersOf(message.text)),
    oursLately: ours.slice(-REPLIES_LOOKED_AT),
    afterOursMs: since(between.at(-1)),
    afterTheirsMs: since(lastTheirs),
  };
}

/* Near-repeated text. */

/** Words that people do not write: menus, away messages, refusals of an input. Folded, without accents. */
const AUTOMATIC = [
  /\b(digite|tecle|responda com|press|reply with)\b[^.!?]{0,30}\b\d/,
  /\b(escolha|selecione|choose|select) (uma|uma das|one of the|an) (opc|option)/,
  /\b(opcao|resposta|entrada|comando) (invalid|nao reconhecid)/,
  /\binvalid (option|choice|input)\b/,
  /\best[ae] e uma (mensagem|resposta) automatica\b/,
  /^\W*(mensagem|resposta) automatica\b/,
  /\bthis is an (automatic|automated) (reply|message|response)\b/,
  /\bnao responda (a )?est[ae] mensagem\b/,
  /\bagradecemos (a sua|sua|o seu|seu|por sua) (mensagem|contato)\b/,
  /\bnao estamos disponiveis no momento\b/,
  /\b(sou|aqui e) (o|a) (assistente|atendente) virtual\b/,
  /\b(i[’']?m|i am|this is) (the|a|your) virtual assistant\b/,
];

/** How alike two texts must be, as the share of trigrams that they have in common. A long text may vary by a few words. */
const ALIKE = 0.8;
const ALIKE_LONG = 0.7;
const LONG_LETTERS = 60;

/**
 * What one repeat weighs, in hundredths, by its letters. People say "sim" ten times a day, and may have to paste their address for the
 * fourth time. What brings another name or number may be a form that somebody fills in for a whole class.
 */
const WEIGHTS: readonly { readonly lettersMin: number; readonly same: number; readonly varied: number }[] = [
  { lettersMin: 16, same: 75, varied: 60 },
  { lettersMin: 7, same: 60, varied: 0 },
];

/** A loop is unbroken: who says something new in between is a person, whatever was said before. */
function isBrokenRecord(replies: readonly Reply[], limit: number): boolean {
  const points = replies.map((reply, index) => (isAnswer(reply) ? pointsOf(reply, replies.slice(0, index)) : 0));
  const unbroken = points.slice(points.lastIndexOf(0) + 1);
  return unbroken.length > 0 && unbroken.reduce((total, it) => total + it, 0) >= 100 * limit;
}

function pointsOf(reply: Reply, before: readonly Reply[]): number {
  if (reply.saidAutomatically) return 100;
  const weight = WEIGHTS.find(({ lettersMin }) => reply.letters.replaceAll(' ', '').length >= lettersMin);
  if (weight === undefined) return 0;
  if (before.some((earlier) => earlier.text === reply.text)) return weight.same;
  return before.some((earlier) => areAlike(earlier.letters, reply.letters)) ? weight.varied : 0;
}

/** The first word of all counts too: a machine's greeting opens many loops. */
function isAnswer(reply: Reply): boolean {
  return reply.afterOursMs === undefined || reply.afterOursMs <= ANSWERS_WITHIN_MS;
}

/** Folded, without digits and marks: a protocol number or the time makes no new text. */
function lettersOf(text: string): string {
  return foldedText(text.slice(0, COMPARED_MAX))
    .replace(/[^a-z]+/g, ' ')
    .trim();
}

function areAlike(one: string, other: string): boolean {
  if (one === other) return true;
  const [shorter, longer] = one.length < other.length ? [one, other] : [other, one];
  // What is twice as long has at most two thirds in common.
  if (longer.length > 2 * shorter.length) return false;
  return likeness(one, other) >= (shorter.length >= LONG_LETTERS ? ALIKE_LONG : ALIKE);
}

/** The share of trigrams in common (Dice's coefficient over sets). */
function likeness(one: string, other: string): number {
  const [left, right] = [trigramsOf(one), trigramsOf(other)];
  if (left.size + right.size === 0) return 0;
  let common = 0;
  for (const trigram of left) if (right.has(trigram)) common += 1;
  return (2 * common) / (left.size + right.size);
}

function trigramsOf(text: string): ReadonlySet<string> {
  const padded = ` ${text} `;
  const trigrams = new Set<string>();
  for (let at = 0; at + 3 <= padded.length; at += 1) trigrams.add(padded.slice(at, at + 3));
  return trigrams;
}

/* Our own words. */

/** Shorter than this people use the same words as we do. */
const OWN_WORDS_LETTERS_MIN = 24;

function isParrot(replies: readonly Reply[], limit: number): boolean {
  const isOurs = replies.map(saysOurWords);
  return isOurs.at(-1) === true && isOurs.filter(Boolean).length >= limit;
}

function saysOurWords({ letters, oursLately }: Reply): boolean {
  if (letters.length < OWN_WORDS_LETTERS_MIN) return false;
  return isSentenceOfOurs(letters) || oursLately.some((ours) => areAlike(ours, letters));
}

/* Cadence. */

/** Nobody types, or dictates, faster than this for long: characters in a second. */
const TYPED_PER_SECOND_MAX = 15;
/** Below this a length proves nothing: it may be a suggestion of the keyboard. */
const TYPED_MIN = 25;
/** Who pastes from notes has to read us, change to the notes and come back. */
const PASTED_MS_MIN = 3_000;
/** Sooner than this nobody has read what we said. */
const READ_MS_MIN = 1_200;
/** Ours, in letters, that takes so long to read. */
const READ_LETTERS_MIN = 60;
/** By the clock: the same wait each time, but for this share of it. */
const CLOCK_SHARE_MAX = 0.04;
/** Shorter waits of a person who taps "sim" are as even as a clock's. */
const CLOCK_WAIT_MS_MIN = 5_000;
/** Begins with a capital letter and ends with a full stop, as everything does that was written to be sent often. */
const SENTENCE = /^[^\p{L}]*\p{Lu}[^]*[.!?…]$/u;

/**
 * Nothing here is proof by itself: who is typing while we answer seems to answer at once, now and then, and who looks at the
 * oven each minute is as even as a clock. Hence all of the last ones, and one more of those that people do as well.
 */
function isClockwork(replies: readonly Reply[], limit: number): boolean {
  const last = replies.slice(-limit);
  if (last.length === limit && last.every(isTypedTooFast)) return true;
  const lastAndOne = replies.slice(-limit - 1);
  return lastAndOne.length > limit && (lastAndOne.every(isUnread) || isByTheClock(lastAndOne));
}

/** Faster than any hand, even if it had been typing since its last message, and too soon to have been pasted. */
function isTypedTooFast({ typed, afterOursMs, afterTheirsMs }: Reply): boolean {
  if (afterOursMs === undefined || afterTheirsMs === undefined || typed < TYPED_MIN) return false;
  return afterOursMs < PASTED_MS_MIN && typed * 1_000 > TYPED_PER_SECOND_MAX * afterTheirsMs;
}

/** Answered before anybody can have read it. */
function isUnread({ ours, typed, afterOursMs }: Reply): boolean {
  if (afterOursMs === undefined || afterOursMs > READ_MS_MIN) return false;
  return typed >= TYPED_MIN || ours.join(' ').length >= READ_LETTERS_MIN;
}

function isByTheClock(replies: readonly Reply[]): boolean {
  if (!replies.every(({ isSentence, typed }) => isSentence && typed >= TYPED_MIN)) return false;
  const waits = replies.map((reply) => reply.afterOursMs ?? 0);
  const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length;
  if (mean < CLOCK_WAIT_MS_MIN || mean > ANSWERS_WITHIN_MS) return false;
  return Math.max(...waits) - Math.min(...waits) <= CLOCK_SHARE_MAX * mean;
}
