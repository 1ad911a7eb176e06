import { randomFrom } from './random.ts';
import type { Random } from './random.ts';

/** One message of a customer, as it will be posted. */
export interface PlannedQuestion {
  /** Stands in the text, and the model repeats it: so every reply says what it answers. */
  readonly id: string;
  readonly channel: string;
  readonly phone: string;
  readonly text: string;
  /** When the provider says it was said, after the beginning of the load. Each of a conversation has its own second. */
  readonly saidAtMs: number;
}

export interface PlannedPost {
  readonly questionId: string;
  /** After the beginning of the load. */
  readonly atMs: number;
  readonly isRedelivery: boolean;
}

/** A person who takes a conversation over by the API, just after its customer has written. */
export interface PlannedTakeover {
  readonly atMs: number;
  /** A message of the conversation. */
  readonly questionId: string;
}

export interface Load {
  readonly questions: readonly PlannedQuestion[];
  /** In the order of their times. */
  readonly posts: readonly PlannedPost[];
  readonly takeovers: readonly PlannedTakeover[];
  readonly lastsMs: number;
}

export interface LoadOptions {
  readonly seed: number;
  readonly messages: number;
  readonly perSecond: number;
  readonly channels: readonly [string, ...string[]];
}

/** The same numbers write to every channel, so that a mistake about tenant or channel would reach somebody. */
const MESSAGES_PER_PHONE = 24;
const PHONES = { min: 50, max: 500 };
/** How long a conversation is left alone between two bursts: longer than its bubbles were said apart. */
const BURST_REST_MS = 6_000;
const BUBBLE_EVERY_MS = 1_000;
const BUBBLE_POSTED_WITHIN_MS = 150;
const REDELIVERED_SHARE = 0.1;
const REDELIVERED_AT_ONCE_SHARE = 0.5;
const REDELIVERED_WITHIN_MS = 20_000;
const PERSON_WANTED_SHARE = 0.05;
const TAKEOVER_SHARE = 0.01;
const TAKEOVER_WITHIN_MS = 800;
/** One bubble is the rule. */
const BURST_SIZES = [1, 1, 1, 2, 2, 3, 4] as const;
const BURST_SIZE_MEAN = BURST_SIZES.reduce<number>((sum, size) => sum + size, 0) / BURST_SIZES.length;

const QUESTIONS = [
  'a que horas vocês abrem?',
  'vocês entregam no meu bairro?',
  'quanto custa o bolo de cenoura?',
  'posso pagar com pix?',
  'tem opção sem glúten?',
] as const;
const FRAGMENTS = ['oi', 'então', 'é sobre o pedido de ontem', 'e outra coisa', 'aliás'] as const;
/** Words after which only a person will do. */
export const WISH = 'quero falar com um atendente, por favor';

/**
 * Who writes what and when, as a pure function of the seed.
 *
 * Bursts begin at random times at a fixed mean rate, whatever the product does. The bubbles of a burst are posted in any
 * order; a tenth of all events is posted again, at once or later.
 */
export function planLoad({ seed, messages, perSecond, channels }: LoadOptions): Load {
  const random = randomFrom(seed, 'load');
  const phones = Math.min(PHONES.max, Math.max(PHONES.min, Math.ceil(messages / MESSAGES_PER_PHONE)));
  const restsUntil = new Map<string, number>();
  const questions: PlannedQuestion[] = [];
  const posts: PlannedPost[] = [];
  const takeovers: PlannedTakeover[] = [];
  let nowMs = 0;
  while (questions.length < messages) {
    nowMs += (-Math.log(1 - random.next()) * BURST_SIZE_MEAN * 1_000) / perSecond;
    const who = restedConversation({ random, phones, channels, restsUntil, nowMs });
    const size = Math.min(random.pick(BURST_SIZES), messages - questions.length);
    const burst = burstOf(random, { who, size, nowMs, firstNumber: questions.length + 1 });
    restsUntil.set(keyOf(who), nowMs + BURST_REST_MS);
    questions.push(...burst);
    const own = postsOf(random, burst, nowMs);
    posts.push(...own);
    const [{ id: questionId } = { id: '' }] = burst;
    if (random.next() < TAKEOVER_SHARE) takeovers.push({ questionId, atMs: nowMs + random.below(TAKEOVER_WITHIN_MS) });
  }
  const byTime = (left: { atMs: number }, right: { atMs: number }): number => left.atMs - right.atMs;
  return { questions, posts: posts.toSorted(byTime), takeovers, lastsMs: nowMs };
}

/** The number in the text of a question, or in that of the reply to it. */
export function questionIdsIn(text: string): readonly string[] {
  return text.match(/q-\d{6}/g) ?? [];
}

interface Who {
  readonly channel: string;
  readonly phone: string;
}

function keyOf({ channel, phone }: Who): string {
  return `${channel} ${phone}`;
}

interface Choosing {
  readonly random: Random;
  readonly phones: number;
  readonly channels: readonly [string, ...string[]];
  readonly restsUntil: ReadonlyMap<string, number>;
  readonly nowMs: number;
}

const TRIES_MAX = 10_000;

function restedConversation({ random, phones, channels, restsUntil, nowMs }: Choosing): Who {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const who = { channel: random.pick(channels), phone: phoneOf(random.below(phones)) };
    if ((restsUntil.get(keyOf(who)) ?? 0) <= nowMs) return who;
  }
  throw new RangeError('So few customers cannot write so much');
}

/** Of an area code that does not exist. */
function phoneOf(customer: number): string {
  return `55009${String(customer).padStart(8, '0')}`;
}

interface Burst {
  readonly who: Who;
  readonly size: number;
  readonly nowMs: number;
  readonly firstNumber: number;
}

/** The last bubble asks, those before it lead there. They were said a second apart, the last one now. */
function burstOf(random: Random, { who, size, nowMs, firstNumber }: Burst): readonly PlannedQuestion[] {
  const last = random.next() < PERSON_WANTED_SHARE ? WISH : random.pick(QUESTIONS);
  return Array.from({ length: size }, (_, index) => {
    const id = `q-${String(firstNumber + index).padStart(6, '0')}`;
    const words = index === size - 1 ? last : random.pick(FRAGMENTS);
    return { ...who, id, text: `${id} ${words}`, saidAtMs: Math.round(nowMs - (size - 1 - index) * BUBBLE_EVERY_MS) };
  });
}

function postsOf(random: Random, burst: readonly PlannedQuestion[], nowMs: number): readonly PlannedPost[] {
  return random.shuffled(burst).flatMap(({ id: questionId }, index) => {
    const atMs = nowMs + index * random.below(BUBBLE_POSTED_WITHIN_MS);
    const first = { questionId, atMs, isRedelivery: false };
    if (random.next() >= REDELIVERED_SHARE) return [first];
    const laterMs = random.next() < REDELIVERED_AT_ONCE_SHARE ? 0 : random.below(REDELIVERED_WITHIN_MS);
    return [first, { questionId, atMs: atMs + laterMs, isRedelivery: true }];
  });
}
