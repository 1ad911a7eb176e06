import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { ChannelId, ConversationId, TenantId } from '../vocabulary/ids.ts';
import type { Schema, Tx } from '../vocabulary/schema.ts';
import type { ReturnGoal, TransferState } from './transfer.ts';
import { AT_ONE_CHANNEL_MAX, TRY_MS } from './transfer-store.ts';

const CLAIM_MS = 2 * TRY_MS;

/** A ticket that is ours to take back now. */
export interface ClaimedReturn {
  readonly tenantId: TenantId;
  readonly conversationId: ConversationId;
  readonly channelId: ChannelId;
  readonly claimId: string;
  /** This try, from 1. */
  readonly attempt: number;
  /** What the owner of this moment asks for; undefined: a person has it, and the ticket is theirs. */
  readonly goal: ReturnGoal | undefined;
  readonly ticketId: string | undefined;
}

export interface ReturnEnd {
  readonly state: TransferState;
  readonly reason: string | undefined;
  /** For `pending`: when to try again. */
  readonly retryInMs?: number;
}

/**
 * Notes in the caller's transaction that the ticket is to follow: a person has just given the conversation back, or closed
 * it. What was noted before is replaced: there is one ticket and one owner. Safe to repeat.
 */
export async function noteTicketReturn(tx: Tx, conversationId: string): Promise<void> {
  await sql`
    insert into ticket_return (conversation_id, tenant_id, goal)
    select id, tenant_id, ${goalOf} from conversation c where id = ${conversationId} and owner <> 'human'
    on conflict (conversation_id) do update set goal = excluded.goal, state = 'pending', reason = null, attempts = 0,
           claim_id = null, due_at = clock_timestamp(), history = '[]', settled_at = null`.execute(tx);
}

const goalOf = sql`case c.owner when 'nobody' then 'closed' else 'bot' end`;

/** The tickets that are to follow their conversations back, a row for each conversation. */
export class TicketReturnStore {
  readonly #db: Kysely<Schema>;

  constructor(db: Kysely<Schema>) {
    this.#db = db;
  }

  /**
   * Claims what is due, oldest first. What its holder does not end within {@link CLAIM_MS} is due again. One whose transfer
   * to people is under way waits for that: the two would overtake each other on the way.
   */
  async claim(limit: number): Promise<readonly ClaimedReturn[]> {
    const { rows } = await sql<ClaimedRow>`
      with moving as (
        select c.channel_id, count(*) as count from ticket_return r join conversation c on c.id = r.conversation_id
         where r.state = 'moving' and r.due_at > clock_timestamp() group by c.channel_id
      ), ranked as (
        select r.conversation_id, r.due_at, coalesce(moving.count, 0)
               + row_number() over (partition by c.channel_id order by r.due_at, r.conversation_id) as place
          from ticket_return r join conversation c on c.id = r.conversation_id
               left join moving on moving.channel_id = c.channel_id
         where r.state in ('pending', 'moving') and r.due_at <= clock_timestamp()
           and not exists (select from handoff_transfer t where t.conversation_id = r.conversation_id
                              and t.state = 'moving' and t.due_at > clock_timestamp())
      ), due as (
        select conversation_id from ticket_return
         where conversation_id in
               (select conversation_id from ranked where place <= ${AT_ONE_CHANNEL_MAX} order by due_at limit ${limit})
           and state in ('pending', 'moving') and due_at <= clock_timestamp()
           for no key update skip locked
      )
      update ticket_return r set state = 'moving', attempts = r.attempts + 1, claim_id = gen_random_uuid(), goal = ${goalOf},
             due_at = clock_timestamp() + ${CLAIM_MS} * interval '1 millisecond'
        from due, conversation c where r.conversation_id = due.conversation_id and c.id = due.conversation_id
      returning r.conversation_id, r.tenant_id, r.claim_id, r.attempts, r.goal, c.channel_id, c.owner, c.gateway_ticket_id`.execute(
      this.#db,
    );
    return rows.map(claimFromRow);
  }

  /** Whether the owner still asks for it: read again right before the ticket is touched. */
  async isWanted({ conversationId, goal }: ClaimedReturn): Promise<boolean> {
    const row = await this.#db
      .selectFrom('conversation')
      .select('owner')
      .where('id', '=', conversationId)
      .executeTakeFirst();
    return row?.owner === (goal === 'closed' ? 'nobody' : 'bot');
  }

  /** Ends a try. @returns false when the claim is somebody else's by now: then nothing has changed. */
  async end({ conversationId, claimId, attempt }: ClaimedReturn, end: ReturnEnd): Promise<boolean> {
    const entry = { attempt, state: end.state, ...(end.reason === undefined ? {} : { reason: end.reason }) };
    const { numAffectedRows = 0n } = await sql`
      update ticket_return set state = ${end.state}, reason = ${end.reason ?? null}, claim_id = null,
             due_at = clock_timestamp() + ${end.retryInMs ?? 0} * interval '1 millisecond',
             settled_at = case when ${end.state !== 'pending'} then clock_timestamp() end,
             history = history || jsonb_build_array(${JSON.stringify(entry)}::jsonb || jsonb_build_object('at', clock_timestamp()))
       where conversation_id = ${conversationId} and claim_id = ${claimId}`.execute(this.#db);
    return numAffectedRows > 0n;
  }
}

interface ClaimedRow {
  readonly conversation_id: string;
  readonly tenant_id: string;
  readonly channel_id: string;
  readonly claim_id: string;
  readonly attempts: number;
  readonly goal: ReturnGoal;
  readonly owner: 'bot' | 'human' | 'nobody';
  readonly gateway_ticket_id: string | null;
}

function claimFromRow(row: ClaimedRow): ClaimedReturn {
  return {
    tenantId: TenantId.parse(row.tenant_id),
    conversationId: ConversationId.parse(row.conversation_id),
    channelId: ChannelId.parse(row.channel_id),
    claimId: row.claim_id,
    attempt: row.attempts,
    goal: row.owner === 'human' ? undefined : row.goal,
    ticketId: row.gateway_ticket_id ?? undefined,
  };
}
