import type { Pool } from 'pg';
import type { HandedToPerson, StoredBubble, StoredConversation, StoredMessage, StoredTurn } from './history.ts';
import { questionIdsIn } from './load.ts';
import type { Told } from './pipeline.ts';

/** Milliseconds since 1970, of a column that holds a time. */
const ms = (column: string): string => `(1000 * extract(epoch from ${column}))::float8`;

/**
 * Reads the product's own account of a run.
 *
 * @param channels the names of the channels, by id.
 */
export async function readProduct(db: Pool, channels: ReadonlyMap<string, string>): Promise<Told> {
  return {
    messages: await readMessages(db),
    conversations: await readConversations(db, channels),
    turns: await readTurns(db),
    bubbles: await readBubbles(db),
    handedToPerson: await readHandedToPerson(db),
  };
}

/**
 * Lets the database of a run note when exactly a conversation became a person's. The product's own `owner_since` is the
 * beginning of the transaction, which may have waited for the lock; this is the moment at which it held it.
 */
export async function noteOwnerChanges(db: Pool): Promise<void> {
  for (const statement of NOTES) await db.query(statement);
}

const NOTES = [
  'create table chaos_handed_to_person (conversation_id uuid not null, epoch integer not null, at timestamptz not null)',
  `create function chaos_note_owner() returns trigger language plpgsql as $$ begin
     insert into chaos_handed_to_person values (new.id, new.epoch, clock_timestamp());
     return null;
   end $$`,
  `create trigger chaos_note_owner after update on conversation for each row
     when (new.epoch <> old.epoch and new.owner = 'human') execute function chaos_note_owner()`,
  // The API runs as the role of one tenant.
  'grant insert on chaos_handed_to_person to plantao_tenant',
];

async function readHandedToPerson(db: Pool): Promise<readonly HandedToPerson[]> {
  const { rows } = await db.query<{ conversation_id: string; epoch: number; noted_at: number }>(
    `select conversation_id, epoch, ${ms('at')} as noted_at from chaos_handed_to_person`,
  );
  return rows.map((row) => ({ conversationId: row.conversation_id, epoch: row.epoch, at: row.noted_at }));
}

interface MessageRow {
  id: string;
  conversation_id: string;
  text: string | null;
  received_at: number;
  settled_kind: string | null;
  settled_reason: string | null;
  settled_turn_id: string | null;
  settled_at: number | null;
}

async function readMessages(db: Pool): Promise<readonly StoredMessage[]> {
  const { rows } = await db.query<MessageRow>(
    `select id, conversation_id, text, ${ms('received_at')} as received_at, settled_kind, settled_reason, settled_turn_id,
            ${ms('settled_at')} as settled_at
       from message where author = 'customer' order by seq`,
  );
  return rows.map((row) => ({
    id: row.id,
    questionId: questionIdsIn(row.text ?? '')[0] ?? '',
    conversationId: row.conversation_id,
    receivedAt: row.received_at,
    settled:
      row.settled_kind === null || row.settled_at === null
        ? undefined
        : {
            kind: row.settled_kind,
            reason: row.settled_reason ?? undefined,
            turnId: row.settled_turn_id ?? undefined,
            at: row.settled_at,
          },
  }));
}

interface ConversationRow {
  id: string;
  channel_id: string;
  has_handoff: boolean;
}

async function readConversations(
  db: Pool,
  channels: ReadonlyMap<string, string>,
): Promise<readonly StoredConversation[]> {
  const { rows } = await db.query<ConversationRow>(
    `select c.id, c.channel_id, exists (select from handoff h where h.conversation_id = c.id) as has_handoff
       from conversation c`,
  );
  return rows.map((row) => ({
    id: row.id,
    channel: channels.get(row.channel_id) ?? '',
    hasHandoff: row.has_handoff,
  }));
}

async function readTurns(db: Pool): Promise<readonly StoredTurn[]> {
  const { rows } = await db.query<{ id: string; conversation_id: string; started_at: number }>(
    `select id, conversation_id, ${ms('started_at')} as started_at from turn`,
  );
  return rows.map((row) => ({ id: row.id, conversationId: row.conversation_id, startedAt: row.started_at }));
}

interface BubbleRow {
  id: string;
  message_id: string;
  conversation_id: string;
  turn_id: string;
  seq: string;
  epoch: number;
  text: string | null;
  state: string;
  failure: string | null;
  was_unknown: boolean;
  resends: number;
  created_at: number;
  sending_since: number | null;
}

async function readBubbles(db: Pool): Promise<readonly StoredBubble[]> {
  const { rows } = await db.query<BubbleRow>(
    `select o.id, o.message_id, o.conversation_id, o.turn_id, o.seq, o.epoch, m.text, o.state, o.failure,
            o.unknown_since is not null as was_unknown,
            (select count(*)::int from jsonb_array_elements(o.history) as h (entry)
              where h.entry ->> 'what' = 'resend') as resends,
            ${ms('o.created_at')} as created_at, ${ms('o.sending_since')} as sending_since
       from outbox o join message m on m.id = o.message_id order by o.seq`,
  );
  return rows.map((row) => ({
    id: row.id,
    messageId: row.message_id,
    conversationId: row.conversation_id,
    turnId: row.turn_id,
    place: Number(row.seq),
    epoch: row.epoch,
    text: row.text ?? '',
    state: row.state,
    failure: row.failure ?? undefined,
    wasUnknown: row.was_unknown,
    resends: row.resends,
    createdAt: row.created_at,
    sendingSince: row.sending_since ?? undefined,
  }));
}
