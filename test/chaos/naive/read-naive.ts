import type { Pool } from 'pg';
import type { Received, StoredBubble, StoredMessage } from '../history.ts';
import { questionIdsIn } from '../load.ts';
import type { Told } from '../pipeline.ts';

/**
 * The naive pipeline's account of a run, as far as it keeps one.
 *
 * It has no outbox, so what was said is what the gateway received, and a message counts as answered as soon as an answer
 * to it arrived, whatever the pipeline itself knows of it. Where there is a doubt it has the benefit.
 */
export async function readNaive(db: Pool, received: readonly Received[]): Promise<Told> {
  const { rows } = await db.query<MessageRow>(
    `select m.id, m.channel, m.phone, m.text, (1000 * extract(epoch from m.received_at))::float8 as received_at, m.settled,
            (1000 * extract(epoch from m.settled_at))::float8 as settled_at,
            (1000 * extract(epoch from c.human_at))::float8 as human_at
       from message m join contact c using (channel, phone) order by m.received_at`,
  );
  const arrivals = firstArrivals(received);
  const messages = rows.map((row) => messageFrom(row, arrivals));
  const people = new Map(rows.map((row) => [placeOf(row), row]));
  return {
    messages,
    conversations: [...people.values()].map((row) => ({
      id: placeOf(row),
      channel: row.channel,
      handoffs: row.human_at === null ? [] : ['customer-asked'],
    })),
    handedToPerson: [...people.values()].flatMap((row) =>
      row.human_at === null ? [] : [{ conversationId: placeOf(row), epoch: 1, at: row.human_at }],
    ),
    // A job cannot have begun before its message was there.
    turns: messages.map(({ questionId, conversationId, receivedAt }) => ({
      id: questionId,
      conversationId,
      startedAt: receivedAt,
      epoch: 0,
      fence: 0,
      newestFence: 0,
    })),
    leases: [],
    stranded: [],
    bubbles: messages.flatMap((message) => bubbleFrom(message, arrivals.get(message.questionId))),
  };
}

interface MessageRow {
  id: string;
  channel: string;
  phone: string;
  text: string;
  received_at: number;
  settled: string | null;
  settled_at: number | null;
  human_at: number | null;
}

interface Arrival {
  readonly text: string;
  readonly at: number;
  readonly place: number;
}

function firstArrivals(received: readonly Received[]): ReadonlyMap<string, Arrival> {
  const first = new Map<string, Arrival>();
  for (const [place, { text, at }] of received.entries()) {
    for (const id of questionIdsIn(text)) if (!first.has(id)) first.set(id, { text, at, place });
  }
  return first;
}

function placeOf({ channel, phone }: MessageRow): string {
  return `${channel} ${phone}`;
}

function messageFrom(row: MessageRow, arrivals: ReadonlyMap<string, Arrival>): StoredMessage {
  const [questionId = ''] = questionIdsIn(row.text);
  const arrival = arrivals.get(questionId);
  const kind = row.settled ?? (arrival === undefined ? undefined : 'reply');
  const at = row.settled_at ?? arrival?.at ?? 0;
  const settled = kind === undefined ? undefined : { kind, reason: undefined, turnId: questionId, at };
  return { id: row.id, questionId, conversationId: placeOf(row), receivedAt: row.received_at, settled };
}

function bubbleFrom(
  { questionId, conversationId, receivedAt }: StoredMessage,
  arrival: Arrival | undefined,
): StoredBubble[] {
  if (arrival === undefined) return [];
  return [
    {
      id: questionId,
      messageId: questionId,
      conversationId,
      turnId: questionId,
      place: arrival.place,
      // The sentence that announces the person belongs to the person.
      epoch: arrival.text.startsWith('Vou chamar') ? 1 : 0,
      text: arrival.text,
      state: 'sent',
      failure: undefined,
      wasUnknown: false,
      settledBy: undefined,
      resentAt: [],
      createdAt: receivedAt,
      sendingSince: arrival.at,
    },
  ];
}
