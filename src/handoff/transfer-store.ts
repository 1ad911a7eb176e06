import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { ChannelId, ConversationId, TenantId } from '../vocabulary/ids.ts';
import type { TicketDestination } from '../vocabulary/gateway.ts';
import type { Schema, Tx } from '../vocabulary/schema.ts';
import type { TransferState } from './transfer.ts';

/** Handoffs that get their row in one statement. */
const ROWS_PER_STEP = 200;

/** The note goes first, so the ticket waits this long for what it is to say. */
const PACKET_WAIT_MS = 5_000;

/** Transfers of one channel under way in all processes: a gateway that hangs leaves the others their places. */
export const AT_ONE_CHANNEL_MAX = 8;

/** How long one try may take. By then every call it makes has ended; whoever made it is gone. */
export const TRY_MS = 60_000;
const CLAIM_MS = 2 * TRY_MS;

/** A handoff whose ticket is ours to move now. */
export interface ClaimedTransfer {
  readonly handoffId: string;
  readonly tenantId: TenantId;
  readonly conversationId: ConversationId;
  readonly channelId: ChannelId;
  readonly claimId: string;
  /** This try, from 1. */
  readonly attempt: number;
  readonly isWaiting: boolean;
  /** Somebody waits or has come: what they are told is of use to somebody. */
  readonly isOpen: boolean;
  /** An earlier try has seen the ticket where it shall be: what is left is the note. */
  readonly isThere: boolean;
  readonly reason: string;
  /** A logical name; the channel's configuration says what it stands for. */
  readonly destination: string | undefined;
  readonly ticketId: string | undefined;
  readonly noteState: 'writing' | 'written' | 'not-possible' | 'failed' | undefined;
}

export interface TransferEnd {
  readonly state: TransferState;
  readonly reason: string | undefined;
  readonly ticketId?: string | undefined;
  readonly to?: TicketDestination | undefined;
  /** For `pending`: the ticket is there, and its note is not. */
  readonly isThere?: boolean;
  /** For `pending`: when to try again. */
  readonly retryInMs?: number;
}

/**
 * The transfers of tickets, a row for each handoff that waits. They follow from the handoffs that are committed, so that
 * nobody who calls a person needs to think of them, and none is forgotten.
 */
export class TransferStore {
  readonly #db: Kysely<Schema>;

  constructor(db: Kysely<Schema>) {
    this.#db = db;
  }

  /** Gives every handoff that waits its row. Safe to run by several processes at once. @returns how many were new. */
  async begin(): Promise<number> {
    const { numAffectedRows = 0n } = await sql`
      with found as materialized (
        select id, tenant_id, conversation_id from handoff where state = 'waiting' and transfer_at is null
         order by requested_at limit ${ROWS_PER_STEP} for no key update skip locked
      ), begun as (
        insert into handoff_transfer (handoff_id, tenant_id, conversation_id)
        select id, tenant_id, conversation_id from found on conflict do nothing
      )
      update handoff h set transfer_at = clock_timestamp() from found where h.id = found.id`.execute(this.#db);
    return Number(numAffectedRows);
  }

  /** Claims what is due, oldest first. What its holder does not end within {@link CLAIM_MS} is due again. */
  async claim(limit: number): Promise<readonly ClaimedTransfer[]> {
    const { rows } = await sql<ClaimedRow>`
      with moving as (
        select c.channel_id, count(*) as count from handoff_transfer t join conversation c on c.id = t.conversation_id
         where t.state = 'moving' and t.due_at > clock_timestamp() group by c.channel_id
      ), ranked as (
        select t.handoff_id, t.due_at, coalesce(moving.count, 0)
               + row_number() over (partition by c.channel_id order by t.due_at, t.handoff_id) as place
          from handoff_transfer t join handoff h on h.id = t.handoff_id join conversation c on c.id = t.conversation_id
               left join moving on moving.channel_id = c.channel_id
         where t.state in ('pending', 'moving') and t.due_at <= clock_timestamp()
           and not exists (select from ticket_return r where r.conversation_id = t.conversation_id
                              and r.state = 'moving' and r.due_at > clock_timestamp())
           and (h.packet_at is not null or h.state <> 'waiting'
                or t.created_at < clock_timestamp() - ${PACKET_WAIT_MS} * interval '1 millisecond')
      ), due as (
        select handoff_id from handoff_transfer
         where handoff_id in (select handoff_id from ranked where place <= ${AT_ONE_CHANNEL_MAX} order by due_at limit ${limit})
           and state in ('pending', 'moving') and due_at <= clock_timestamp()
           for no key update skip locked
      ), claimed as (
        update handoff_transfer t set state = 'moving', attempts = attempts + 1, claim_id = gen_random_uuid(),
               due_at = clock_timestamp() + ${CLAIM_MS} * interval '1 millisecond'
          from due where t.handoff_id = due.handoff_id returning t.*
      )
      select t.handoff_id, t.tenant_id, t.conversation_id, t.claim_id, t.attempts, t.note_state, t.is_there, t.ticket_id,
             h.state = 'waiting' as is_waiting, h.state in ('waiting', 'taken') as is_open, h.reason, h.destination, c.channel_id, c.gateway_ticket_id
        from claimed t join handoff h on h.id = t.handoff_id join conversation c on c.id = t.conversation_id
       order by t.created_at`.execute(this.#db);
    return rows.map(claimFromRow);
  }

  /** Whether the person is still only called: asked again right before the ticket is moved. */
  async isWaiting(handoffId: string): Promise<boolean> {
    const row = await this.#db.selectFrom('handoff').select('state').where('id', '=', handoffId).executeTakeFirst();
    return row?.state === 'waiting';
  }

  /** Kept before the note is written: what may have been written is not written again where nobody can look. */
  async saveNote(
    { handoffId, claimId }: ClaimedTransfer,
    state: NonNullable<ClaimedTransfer['noteState']>,
  ): Promise<void> {
    await this.#db
      .updateTable('handoff_transfer')
      .set({ note_state: state })
      .where('handoff_id', '=', handoffId)
      .where('claim_id', '=', claimId)
      .execute();
  }

  /**
   * Ends a try, in the caller's transaction.
   *
   * @returns false when the claim is somebody else's by now: then nothing has changed.
   */
  async end(tx: Tx, { handoffId, claimId, attempt }: ClaimedTransfer, end: TransferEnd): Promise<boolean> {
    const isSettled = end.state !== 'pending';
    const entry = { attempt, state: end.state, ...(end.reason === undefined ? {} : { reason: end.reason }) };
    const { numAffectedRows = 0n } = await sql`
      update handoff_transfer set state = ${end.state}, reason = ${end.reason ?? null}, claim_id = null,
             ticket_id = coalesce(${end.ticketId ?? null}, ticket_id), queue_id = coalesce(${end.to?.queueId ?? null}::integer, queue_id),
             user_id = coalesce(${end.to?.userId ?? null}::integer, user_id),
             due_at = clock_timestamp() + ${end.retryInMs ?? 0} * interval '1 millisecond',
             is_there = is_there or ${end.isThere ?? false}, settled_at = case when ${isSettled} then clock_timestamp() end,
             history = history || jsonb_build_array(${JSON.stringify(entry)}::jsonb || jsonb_build_object('at', clock_timestamp()))
       where handoff_id = ${handoffId} and claim_id = ${claimId}`.execute(tx);
    return numAffectedRows > 0n;
  }
}

/**
 * A transfer that was given up is tried again from its beginning.
 *
 * @returns false when there is nothing left to move: nobody waits there any more.
 */
export async function reviveTransfer(tx: Tx, handoffId: string): Promise<boolean> {
  const { numAffectedRows = 0n } = await sql`
    update handoff_transfer t set state = 'pending', reason = null, attempts = 0, due_at = clock_timestamp(), settled_at = null
      from handoff h where t.handoff_id = ${handoffId} and h.id = t.handoff_id and h.state = 'waiting' and t.state = 'failed'`.execute(
    tx,
  );
  return numAffectedRows > 0n;
}

interface ClaimedRow {
  readonly handoff_id: string;
  readonly tenant_id: string;
  readonly conversation_id: string;
  readonly channel_id: string;
  readonly claim_id: string;
  readonly attempts: number;
  readonly is_waiting: boolean;
  readonly is_open: boolean;
  readonly is_there: boolean;
  readonly reason: string;
  readonly destination: string | null;
  readonly note_state: NonNullable<ClaimedTransfer['noteState']> | null;
  readonly ticket_id: string | null;
  readonly gateway_ticket_id: string | null;
}

function claimFromRow(row: ClaimedRow): ClaimedTransfer {
  return {
    handoffId: row.handoff_id,
    tenantId: TenantId.parse(row.tenant_id),
    conversationId: ConversationId.parse(row.conversation_id),
    channelId: ChannelId.parse(row.channel_id),
    claimId: row.claim_id,
    attempt: row.attempts,
    isWaiting: row.is_waiting,
    isOpen: row.is_open,
    isThere: row.is_there,
    reason: row.reason,
    destination: row.destination ?? undefined,
    // The conversation's own comes first: it follows the webhooks.
    ticketId: row.gateway_ticket_id ?? row.ticket_id ?? undefined,
    noteState: row.note_state ?? undefined,
  };
}
