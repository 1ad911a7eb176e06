import { expect } from '@jest/globals';
import { Kysely, PostgresDialect } from 'kysely';
import { Pool } from 'pg';
import type { SentMessage } from '../../sandbox/whaticket/sent-messages.ts';
import type { Schema } from '../../src/vocabulary/schema.ts';
import { until } from './until.ts';

/** What the history of a town is read from. */
export interface TownHistory {
  readonly environment: Readonly<Record<string, string>>;
  sent(): readonly SentMessage[];
}

export interface CleanHistoryOptions {
  /** How long what is under way may take to end. */
  readonly withinMs?: number;
  /** Provider ids of the messages that were answered 2xx: each has a row. */
  readonly accepted?: readonly string[];
  /** Times that one bubble may have reached a phone; more than once only where the channel prefers that to silence. */
  readonly copiesMax?: number;
}

/** What is not open any more. */
const OPEN_STATES = ['pending', 'sending', 'unknown'];
const SAID_STATES = ['sent', 'delivered', 'read'];

/**
 * Waits until nothing is under way any more, and then asserts what must hold after every outage: whatever was accepted
 * has ended in a reply, a person or a recorded reason; no bubble was said twice; replies keep the order of the questions;
 * nothing was said that nobody decided to say.
 *
 * It asks the database that the product uses and the gateway's record of what reached the phones, not the product.
 */
export async function expectCleanHistory(town: TownHistory, options: CleanHistoryOptions = {}): Promise<void> {
  const pool = new Pool({ connectionString: town.environment.DATABASE_URL, max: 1 });
  pool.on('error', () => {
    // The next look opens another connection.
  });
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
  try {
    await until(async () => isSettled(await open(db)), options.withinMs ?? 15_000).catch(async (error: unknown) => {
      throw new Error(`Still open: ${JSON.stringify(await open(db))}`, { cause: error });
    });
    const history = await readHistory(db);
    expect(brokenPromises(history, town.sent(), options)).toEqual([]);
  } finally {
    await db.destroy();
  }
}

async function open(db: Kysely<Schema>): Promise<{ messages: readonly object[]; bubbles: readonly object[] }> {
  const messages = await db
    .selectFrom('message')
    .select(['conversation_id', 'text', 'received_at'])
    .where('author', '=', 'customer')
    .where('settled_at', 'is', null)
    .limit(5)
    .execute();
  const bubbles = await db
    .selectFrom('outbox')
    .select(['conversation_id', 'state', 'failure', 'due_at', 'attempts'])
    .where('state', 'in', OPEN_STATES)
    .limit(5)
    .execute();
  return { messages, bubbles };
}

function isSettled({ messages, bubbles }: { messages: readonly object[]; bubbles: readonly object[] }): boolean {
  return messages.length === 0 && bubbles.length === 0;
}

interface History {
  readonly events: readonly { id: string; dedupe_key: string; kind: string; conversation: string; raw: string }[];
  readonly asked: readonly {
    id: string;
    conversation: string;
    providerId: string | null;
    kind: string | null;
    answer: string | null;
  }[];
  /** In the order in which they were decided. */
  readonly bubbles: readonly {
    conversation: string;
    message: string;
    turn: string;
    text: string;
    state: string;
    wasTried: boolean;
  }[];
  readonly turns: ReadonlySet<string>;
}

async function readHistory(db: Kysely<Schema>): Promise<History> {
  const events = await db
    .selectFrom('inbound_event')
    .select(['id', 'dedupe_key', 'kind', 'conversation_id', 'raw'])
    .execute();
  const asked = await db
    .selectFrom('message')
    .select(['id', 'conversation_id', 'provider_message_id', 'settled_kind', 'settled_by_message_id'])
    .where('author', '=', 'customer')
    .orderBy('said_at')
    .orderBy('seq')
    .execute();
  const bubbles = await db
    .selectFrom('outbox')
    .innerJoin('message', 'message.id', 'outbox.message_id')
    .select(['outbox.conversation_id', 'outbox.message_id', 'turn_id', 'text', 'state', 'attempts'])
    .orderBy('outbox.seq')
    .execute();
  const turns = await db.selectFrom('turn').select('id').execute();
  return {
    events: events.map(({ conversation_id, raw, ...event }) => ({
      ...event,
      conversation: conversation_id ?? '',
      raw: raw?.toString() ?? '',
    })),
    asked: asked.map((row) => ({
      id: row.id,
      conversation: row.conversation_id,
      providerId: row.provider_message_id,
      kind: row.settled_kind,
      answer: row.settled_by_message_id,
    })),
    bubbles: bubbles.map((row) => ({
      conversation: row.conversation_id,
      message: row.message_id,
      turn: row.turn_id,
      text: row.text ?? '',
      state: row.state,
      wasTried: row.attempts > 0,
    })),
    turns: new Set(turns.map((turn) => turn.id)),
  };
}

function brokenPromises(
  history: History,
  sent: readonly SentMessage[],
  { accepted = [], copiesMax = 1 }: CleanHistoryOptions,
): readonly string[] {
  return [
    ...lost(history, accepted),
    ...unsaid(history),
    ...disordered(history),
    ...saidAtThePhones(history, sent, copiesMax),
  ];
}

/** Accepted means kept, once. */
function lost({ events, asked }: History, accepted: readonly string[]): readonly string[] {
  const kept = new Set(asked.map((message) => message.id));
  const known = new Set(asked.map((message) => message.providerId));
  const twice =
    asked.length - new Set(asked.map(({ conversation, providerId, id }) => `${conversation} ${providerId ?? id}`)).size;
  return [
    ...events
      .filter(({ id, kind }) => kind === 'message' && !kept.has(id))
      .map(({ id }) => `event ${id} has no message`),
    ...accepted.filter((id) => !known.has(id)).map((id) => `${id} was accepted and is not kept`),
    ...(twice > 0 ? [`${twice} messages are kept twice`] : []),
  ];
}

/** Whoever is said to have been answered has been sent something, and nothing was sent that no turn has decided. */
function unsaid({ asked, bubbles, turns }: History): readonly string[] {
  const states = new Map(bubbles.map((bubble) => [bubble.message, bubble.state]));
  return [
    ...asked
      .filter(({ kind, answer }) => kind === 'reply' && !SAID_STATES.includes(states.get(answer ?? '') ?? ''))
      .map(({ id, answer }) => `${id} counts as answered by ${answer ?? 'nothing'}, which was not sent`),
    ...bubbles.filter(({ turn }) => !turns.has(turn)).map(({ message }) => `${message} was decided by nobody`),
  ];
}

/** Within a conversation, a later question is never answered before an earlier one. */
function disordered({ asked, bubbles }: History): readonly string[] {
  const places = new Map(bubbles.map((bubble, place) => [bubble.message, place]));
  const last = new Map<string, number>();
  return asked.flatMap(({ id, conversation, kind, answer }) => {
    if (kind !== 'reply') return [];
    const place = places.get(answer ?? '') ?? -1;
    const before = last.get(conversation) ?? -1;
    last.set(conversation, Math.max(place, before));
    return place < before ? [`${id} was answered before an earlier question`] : [];
  });
}

/** What each phone got is what the outbox says was said to it, in that order, and never more copies than are allowed. */
function saidAtThePhones(history: History, sent: readonly SentMessage[], copiesMax: number): readonly string[] {
  return [...Map.groupBy(sent, (message) => `${message.token} ${message.phone}`).values()].flatMap((messages) => {
    const { phone = '' } = messages[0] ?? {};
    const own = conversationsOf(history, phone);
    const bubbles = history.bubbles.filter(({ conversation, wasTried }) => own.has(conversation) && wasTried);
    return arrivals(phone, bubbles, { texts: messages.map(({ text }) => text), copiesMax });
  });
}

function conversationsOf({ events }: History, phone: string): ReadonlySet<string> {
  return new Set(events.filter(({ raw }) => raw.includes(phone)).map(({ conversation }) => conversation));
}

/** Walks through what a phone got and what was to be said to it side by side. */
function arrivals(
  phone: string,
  bubbles: History['bubbles'],
  { texts, copiesMax }: { texts: readonly string[]; copiesMax: number },
): readonly string[] {
  const problems: string[] = [];
  let at = 0;
  for (const { text, state } of bubbles) {
    let copies = 0;
    while (copies < copiesMax && texts[at] === text) {
      copies += 1;
      at += 1;
    }
    if (copies === 0 && SAID_STATES.includes(state)) problems.push(`${phone} never got, or not in its place: ${text}`);
  }
  if (at < texts.length) problems.push(`${phone} got too often, or out of order: ${texts.slice(at).join(' | ')}`);
  return problems;
}
