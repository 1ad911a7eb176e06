import type { Pool } from 'pg';
import type {
  HandedToPerson,
  StoredBubble,
  StoredConversation,
  StoredLease,
  StoredMessage,
  StoredTurn,
} from './history.ts';
import { questionIdsIn } from './load.ts';
import type { Told } from './pipeline.ts';

/** Milliseconds since 1970, of a column that holds a time. */
const ms = (column: string): string => `(1000 * extract(epoch from ${column}))::float8`;

/**
 * Reads the product's own account of a run.
 *
 * @param channels the names of the channels, by id.
 */
export async function readProduct(db: Pool, channels: ReadonlyMap<string, string>): Promise<Omit<Told, 'stranded'>> {
  return {
    messages: await readMessages(db),
    conversations: await readConversations(db, channels),
    turns: await readTurns(db),
    bubbles: await readBubbles(db),
    handedToPerson: await readHandedToPerson(db),
    leases: await readLeases(db),
  };
}

/**
 * Lets the database of a run note what the product itself keeps no account of: when exactly a conversation became a
 * person's (its own `owner_since` is the beginning of the transaction, which may have waited for the lock), who was given
 * which lease, and under which lease a decision was committed.
 */
export async function noteOwnersAndLeases(db: Pool): Promise<void> {
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
  `create table chaos_lease (conversation_id uuid not null, fence bigint not null, holder text not null,
     began_at timestamptz not null, ended_at timestamptz, was_held boolean not null,
     primary key (conversation_id, fence))`,
  // The product looked at the clock before this does: a lease that has not run out yet had not run out then.
  `create function chaos_note_lease() returns trigger language plpgsql as $$ begin
     if new.fence <> old.fence then
       insert into chaos_lease values (new.id, new.fence, new.lease_owner, clock_timestamp(), null,
         old.lease_owner is not null and old.lease_until > clock_timestamp());
     else
       update chaos_lease set ended_at = clock_timestamp() where conversation_id = new.id and fence = new.fence;
     end if;
     return null;
   end $$`,
  `create trigger chaos_note_lease after update on conversation for each row
     when (new.fence <> old.fence or (old.lease_owner is not null and new.lease_owner is null))
     execute function chaos_note_lease()`,
  'create table chaos_commit (turn_id uuid primary key, newest_fence bigint not null)',
  `create function chaos_note_commit() returns trigger language plpgsql as $$ begin
     insert into chaos_commit select new.id, fence from conversation where id = new.conversation_id;
     return null;
   end $$`,
  'create trigger chaos_note_commit after insert on turn for each row execute function chaos_note_commit()',
  // The API runs as the role of one tenant.
  'grant select, insert, update on chaos_handed_to_person, chaos_lease, chaos_commit to plantao_tenant',
];

async function readLeases(db: Pool): Promise<readonly StoredLease[]> {
  const { rows } = await db.query<LeaseRow>(
    `select conversation_id, fence, holder, ${ms('began_at')} as began, ${ms('ended_at')} as ended, was_held
       from chaos_lease order by began_at`,
  );
  return rows.map((row) => ({
    conversationId: row.conversation_id,
    fence: Number(row.fence),
    holder: row.holder,
    beganAt: row.began,
    endedAt: row.ended ?? undefined,
    wasHeld: row.was_held,
  }));
}

interface LeaseRow {
  conversation_id: string;
  fence: string;
  holder: string;
  began: number;
  ended: number | null;
  was_held: boolean;
}

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
  handoffs: readonly string[];
}

async function readConversations(
  db: Pool,
  channels: ReadonlyMap<string, string>,
): Promise<readonly StoredConversation[]> {
  const { rows } = await db.query<ConversationRow>(
    `select c.id, c.channel_id, array(select reason from handoff h where h.conversation_id = c.id) as handoffs
       from conversation c`,
  );
  return rows.map((row) => ({
    id: row.id,
    channel: channels.get(row.channel_id) ?? '',
    handoffs: row.handoffs,
  }));
}

async function readTurns(db: Pool): Promise<readonly StoredTurn[]> {
  const { rows } = await db.query<TurnRow>(
    `select t.id, t.conversation_id, ${ms('t.started_at')} as began, t.owner_epoch, t.fence, c.newest_fence
       from turn t join chaos_commit c on c.turn_id = t.id`,
  );
  return rows.map((row) => ({
    id: row.id,
    conversationId: row.conversation_id,
    startedAt: row.began,
    epoch: row.owner_epoch,
    fence: Number(row.fence),
    newestFence: Number(row.newest_fence),
  }));
}

interface TurnRow {
  id: string;
  conversation_id: string;
  began: number;
  owner_epoch: number;
  fence: string;
  newest_fence: string;
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
  settled_by: string | null;
  resent_at: readonly number[];
  created_at: number;
  sending_since: number | null;
}

async function readBubbles(db: Pool): Promise<readonly StoredBubble[]> {
  const { rows } = await db.query<BubbleRow>(
    `select o.id, o.message_id, o.conversation_id, o.turn_id, o.seq, o.epoch, m.text, o.state, o.failure,
            o.unknown_since is not null as was_unknown,
            o.settled_by,
            array(select (1000 * extract(epoch from (h.entry ->> 'at')::timestamptz))::float8
                    from jsonb_array_elements(o.history) as h (entry) where h.entry ->> 'what' = 'resend') as resent_at,
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
    settledBy: row.settled_by ?? undefined,
    resentAt: row.resent_at,
    createdAt: row.created_at,
    sendingSince: row.sending_since ?? undefined,
  }));
}
