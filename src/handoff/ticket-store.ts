import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { z } from 'zod';
import type { Logger } from '../platform/logger.ts';
import { ticketChanged } from '../vocabulary/events.ts';
import { ConversationId, TenantId } from '../vocabulary/ids.ts';
import type { ChannelId } from '../vocabulary/ids.ts';
import type { Schema, Tx } from '../vocabulary/schema.ts';
import type { TicketState } from '../vocabulary/ticket.ts';
import { meaningOf } from './ticket.ts';
import type { TicketMeaning, TicketSight } from './ticket.ts';

/** What follows when a gateway shows a ticket, from the rest of the system. */
export interface TicketNeeds {
  readonly db: Kysely<Schema>;
  /** Makes somebody the owner, with everything that follows, in the caller's transaction. */
  readonly changeOwner: (tx: Tx, change: TicketOwnerChange) => Promise<void>;
  /** Somebody may have something to answer now. Never throws: a lost ring is found by the sweeper. */
  readonly ringTurn: (id: ConversationId) => void;
  readonly log: Logger;
}

export interface TicketOwnerChange {
  readonly conversationId: ConversationId;
  readonly tenantId: TenantId;
  readonly to: 'bot' | 'human' | 'nobody';
  readonly reason: 'ticket-assigned' | 'ticket-returned' | 'ticket-closed';
  /** The handoff that was open: whoever accepts a ticket for which nobody was called may merely have looked at it. */
  readonly open: 'waiting' | 'taken' | undefined;
}

/** A ticket that a gateway showed. */
export interface ShownTicket {
  readonly conversationId: ConversationId;
  readonly seen: TicketState;
  /** The gateway told of a change, as opposed to showing a state. */
  readonly isEvent: boolean;
  /** What it shows is what we have just made of it: remembered, and nothing else. */
  readonly isOurDoing?: boolean;
  /** When it was shown, by the database's clock; now unless told. */
  readonly at?: Date | undefined;
}

const CHANGE_OF: Readonly<Record<'taken' | 'returned' | 'closed', Pick<TicketOwnerChange, 'to' | 'reason'>>> = {
  taken: { to: 'human', reason: 'ticket-assigned' },
  returned: { to: 'bot', reason: 'ticket-returned' },
  closed: { to: 'nobody', reason: 'ticket-closed' },
};

/**
 * Remembers what a gateway shows of a conversation's ticket, and does what a change of it says: somebody accepted it, gave it
 * back to the bot, or closed it. The epoch is raised in the same transaction, so that the bot does not talk over anybody.
 *
 * What was shown before the owner last changed is remembered and changes nothing: it may be older than the decision. That an
 * earlier ticket of the customer is closed, now that there is another one, is not even remembered. What shows a return of our
 * own (ticket-return.ts), on its way or done, is nobody's doing but ours.
 * Safe to repeat: only a change means anything.
 */
export async function observeTicket(needs: TicketNeeds, shown: ShownTicket): Promise<TicketMeaning> {
  const { conversationId, seen } = shown;
  const meaning = await needs.db.transaction().execute(async (tx) => {
    const before = await lockTicket(tx, shown);
    if (before === undefined || before.is_older_sight || isEarlierTicket(before, shown)) return 'nothing';
    await remember(tx, shown);
    if (shown.isOurDoing === true || before.is_older_than_owner || before.is_being_returned) return 'nothing';
    const means = meaningOf({ ...sightOf(before, seen), isEvent: shown.isEvent });
    if (means === 'nothing' || means === 'strange-status') return means;
    if (means === 'taken' && !shown.isEvent && before.is_to_return) return 'nothing';
    if (means === 'closed' && before.owner === 'bot' && before.is_busy) return 'ignored';
    const place = { conversationId, tenantId: TenantId.parse(before.tenant_id), open: before.open ?? undefined };
    await needs.changeOwner(tx, { ...place, ...CHANGE_OF[means] });
    return means;
  });
  if (meaning !== 'nothing') ticketChanged(needs.log, { conversationId, meaning, said: seen.said });
  if (meaning === 'returned' || meaning === 'closed') needs.ringTurn(conversationId);
  return meaning === 'ignored' ? 'nothing' : meaning;
}

/**
 * The conversation's ticket is this one from now on. A later ticket of the same contact replaces it: what is sent, read back
 * and moved goes to where the customer is.
 */
export async function followTicket(
  db: Kysely<Schema>,
  { conversationId, ticketId }: { readonly conversationId: ConversationId; readonly ticketId: string },
): Promise<void> {
  await sql`
    update conversation set gateway_ticket_id = ${ticketId}
     where id = ${conversationId} and gateway_ticket_id is distinct from ${ticketId}`.execute(db);
}

/** Whether the gateway shows what it showed before, so that nothing can follow from it. A look without any lock. */
export async function isAsBefore(db: Kysely<Schema>, id: ConversationId, seen: TicketState): Promise<boolean> {
  const { rows } = await sql`
    select from ticket_state
     where conversation_id = ${id} and ticket_id = ${seen.id} and status = ${seen.status}
       and queue_id is not distinct from ${seen.queueId ?? null}::integer
       and user_id is not distinct from ${seen.userId ?? null}::integer`.execute(db);
  return rows.length > 0;
}

/** More conversations than one have a ticket only while two names of one person have not met. */
const OF_TICKET_MAX = 5;

/** Whose ticket it is: by its number, or by who the event says it is about. */
export async function conversationsOfTicket(
  db: Kysely<Schema>,
  ticket: { readonly channelId: ChannelId; readonly ticketId: string; readonly blindIndexes: readonly Buffer[] },
): Promise<readonly ConversationId[]> {
  const { rows } = await sql<{ id: string }>`
    select id from conversation where channel_id = ${ticket.channelId} and gateway_ticket_id = ${ticket.ticketId}
    union
    select c.id from contact_alias a join conversation c on c.tenant_id = a.tenant_id and c.contact_id = a.contact_id
     where a.blind_index = any(${ticket.blindIndexes}::bytea[]) and c.channel_id = ${ticket.channelId}
       and a.tenant_id = c.tenant_id and a.kind in ('phone', 'lid', 'ticket')
       and a.tenant_id = (select tenant_id from channel where id = ${ticket.channelId})
     limit ${OF_TICKET_MAX}`.execute(db);
  return rows.map(({ id }) => ConversationId.parse(id));
}

interface LockedTicket {
  readonly tenant_id: string;
  readonly owner: 'bot' | 'human' | 'nobody';
  readonly open: 'waiting' | 'taken' | null;
  readonly gateway_ticket_id: string | null;
  readonly bot_queue_id: number | null;
  readonly handoff_not_people: readonly number[];
  readonly ticket_id: string | null;
  readonly status: string | null;
  readonly queue_id: number | null;
  readonly user_id: number | null;
  readonly is_older_sight: boolean;
  readonly is_older_than_owner: boolean;
  /** It is where we are just taking it: our own doing, whoever tells of it. */
  readonly is_being_returned: boolean;
  /** It is to be taken back from people and has not been: that somebody still has it says nothing new. */
  readonly is_to_return: boolean;
  /** The bot owes an answer, or one is on its way. */
  readonly is_busy: boolean;
}

async function lockTicket(tx: Tx, { conversationId, at, seen }: ShownTicket): Promise<LockedTicket | undefined> {
  // The lock first and alone: what is read with it must be as whoever had it before left it.
  await sql`select from conversation where id = ${conversationId} for no key update`.execute(tx);
  const { rows } = await sql<LockedTicket>`
    select c.tenant_id, c.owner, c.gateway_ticket_id, h.bot_queue_id, h.handoff_not_people,
           (select o.state from handoff o where o.conversation_id = c.id and o.state in ('waiting', 'taken')) as open, t.ticket_id, t.status, t.queue_id, t.user_id,
           coalesce(t.seen_at > ${at ?? null}::timestamptz, false) as is_older_sight,
           coalesce(c.owner_since > ${at ?? null}::timestamptz, false) as is_older_than_owner,
           coalesce(r.state = 'moving' and case r.goal when 'closed' then ${seen.status === 'closed'}
             else ${seen.status !== 'closed' && seen.userId === undefined} and h.bot_queue_id is not distinct from ${seen.queueId ?? null}::integer end, false) as is_being_returned,
           coalesce(r.state in ('pending', 'moving') and c.owner <> 'human', false) as is_to_return,
           exists (select from message m where m.conversation_id = c.id and m.author = 'customer' and m.settled_at is null)
             or exists (select from outbox o where o.conversation_id = c.id and o.state in ('pending', 'sending', 'unknown')) as is_busy
      from conversation c join channel h on h.id = c.channel_id left join ticket_state t on t.conversation_id = c.id
           left join ticket_return r on r.conversation_id = c.id
     where c.id = ${conversationId}`.execute(tx);
  return rows[0];
}

function isEarlierTicket({ gateway_ticket_id: current }: LockedTicket, { seen, isEvent }: ShownTicket): boolean {
  return isEvent && seen.status === 'closed' && current !== null && current !== seen.id;
}

async function remember(tx: Tx, { conversationId, seen, at }: ShownTicket): Promise<void> {
  await sql`
    insert into ticket_state (conversation_id, tenant_id, ticket_id, status, queue_id, user_id, seen_at)
    select id, tenant_id, ${seen.id}, ${seen.status}, ${seen.queueId ?? null}::integer, ${seen.userId ?? null}::integer,
           coalesce(${at ?? null}::timestamptz, clock_timestamp())
      from conversation where id = ${conversationId}
    on conflict (conversation_id) do update set ticket_id = excluded.ticket_id, status = excluded.status,
           queue_id = excluded.queue_id, user_id = excluded.user_id, seen_at = excluded.seen_at`.execute(tx);
  await sql`
    update conversation set gateway_ticket_id = ${seen.id}
     where id = ${conversationId} and gateway_ticket_id is distinct from ${seen.id}`.execute(tx);
}

const KnownStatus = z.enum(['pending', 'open', 'closed', 'unknown']);

function sightOf(before: LockedTicket, seen: TicketState): Omit<TicketSight, 'isEvent'> {
  const isSameTicket = before.ticket_id === seen.id && before.status !== null;
  return {
    previous: isSameTicket
      ? {
          id: seen.id,
          status: KnownStatus.parse(before.status),
          queueId: before.queue_id ?? undefined,
          userId: before.user_id ?? undefined,
        }
      : undefined,
    seen,
    owner: before.owner,
    botQueueId: before.bot_queue_id ?? undefined,
    notPeople: before.handoff_not_people,
  };
}
