import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { z } from 'zod';
import { TenantId } from '../vocabulary/ids.ts';
import type { ConversationId } from '../vocabulary/ids.ts';
import type { Schema, Tx } from '../vocabulary/schema.ts';

/** An echo belongs to a send that began at most this long before it. */
const ECHO_WINDOW_SECONDS = 600;
/** Gateways give whole seconds, and two clocks never agree exactly. */
const CLOCK_SLACK_SECONDS = 2;
/** What was said this long before we hear of it is history that a gateway replays, not somebody answering now. */
const REPLAYED_AFTER_SECONDS = 900;

/** An unsettled echo, and what there is to know about whose words it repeats. */
interface EchoRow {
  id: string;
  tenant_id: string;
  text: string | null;
  is_automatic: boolean;
  provider_message_id: string | null;
  said_at: Date;
  /** As text, because the driver's dates end at milliseconds. */
  received_at: string;
  /** The oldest send of these words that no echo has claimed yet. */
  outbox_id: string | null;
  outbox_state: string | null;
  /** A send whose words we cannot compare yet: it may still turn out to be this one. */
  is_send_open: boolean;
  /** These words were sent more than once, because the first time was not confirmed; this is the other copy. */
  is_second_copy: boolean;
  is_replayed: boolean;
}

/** What the words of somebody else mean for a conversation. */
export type PersonAnswered = (tx: Tx, id: ConversationId, tenantId: TenantId) => Promise<void>;

export interface SettledEchoes {
  /** Sends that were unconfirmed until their echo came. */
  readonly confirmed: readonly string[];
  readonly someoneAnswered: boolean;
}

const OutboxState = z.enum(['sending', 'unknown', 'sent', 'delivered', 'read', 'failed']).nullable();

/**
 * Finds out whose words the gateway repeated to us, one echo to one send.
 *
 * Ours: the send is confirmed, which settles an unknown one, also one that was given up as unknown already. The fork's own sentences: nobody's. Anybody else's: a person
 * has answered, and owns the conversation now. An echo that matches nothing waits while a send is under way, because the
 * gateway may repeat our words before it has answered our call.
 *
 * Safe to run again: a settled echo is never looked at twice.
 */
export async function settleEchoes(
  db: Kysely<Schema>,
  conversationId: ConversationId,
  personAnswered: PersonAnswered,
): Promise<SettledEchoes> {
  const confirmed: string[] = [];
  let someoneAnswered = false;
  if (!(await hasUnsettledEcho(db, conversationId))) return { confirmed, someoneAnswered };
  await db.transaction().execute(async (tx) => {
    await sql`select from conversation where id = ${conversationId} for no key update`.execute(tx);
    for await (const echo of unsettledEchoes(tx, conversationId)) {
      if (echo.outbox_id !== null) {
        if (await confirmSend(tx, echo, echo.outbox_id)) confirmed.push(echo.outbox_id);
      } else if (echo.is_second_copy) await settle(tx, echo, 'ours');
      else if (echo.is_automatic) await settle(tx, echo, 'automatic');
      else if (echo.is_replayed) await settle(tx, echo, 'late');
      else if (!echo.is_send_open) {
        await recordPersonsWords(tx, conversationId, echo);
        await personAnswered(tx, conversationId, TenantId.parse(echo.tenant_id));
        someoneAnswered = true;
      }
    }
  });
  return { confirmed, someoneAnswered };
}

async function hasUnsettledEcho(db: Kysely<Schema>, conversationId: ConversationId): Promise<boolean> {
  const row = await db
    .selectFrom('echo')
    .select('id')
    .where('conversation_id', '=', conversationId)
    .where('settled_at', 'is', null)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Oldest first. Each is read only when the one before it is settled, because that takes a send away from it. */
async function* unsettledEchoes(tx: Tx, conversationId: ConversationId): AsyncGenerator<EchoRow> {
  let after = { at: '-infinity', id: '00000000-0000-0000-0000-000000000000' };
  for (;;) {
    const { rows } = await sql<EchoRow>`
      select e.id, e.tenant_id, e.text, e.is_automatic, e.provider_message_id, e.said_at, o.id as outbox_id, o.state as outbox_state,
             e.received_at::text as received_at,
             exists (select from outbox s where s.conversation_id = e.conversation_id and s.state in ('sending', 'unknown')) as is_send_open,
             exists (select from outbox s
                      where s.tenant_id = e.tenant_id and s.conversation_id = e.conversation_id and s.text_hash = e.text_hash
                        and s.attempts > 1 and s.sending_since > e.received_at - ${ECHO_WINDOW_SECONDS} * interval '1 second') as is_second_copy,
             e.said_at < e.received_at - ${REPLAYED_AFTER_SECONDS} * interval '1 second' as is_replayed
        from echo e left join lateral (
          select id, state from outbox s
           where s.tenant_id = e.tenant_id and s.conversation_id = e.conversation_id and s.text_hash = e.text_hash and s.echo_id is null
             and (s.state in ('sending', 'unknown', 'sent', 'delivered', 'read')
                  or s.state = 'failed' and s.unknown_since is not null)
             and s.sending_since between e.received_at - ${ECHO_WINDOW_SECONDS} * interval '1 second'
                                     and e.received_at + ${CLOCK_SLACK_SECONDS} * interval '1 second'
           order by s.seq limit 1) o on true
       where e.conversation_id = ${conversationId} and e.settled_at is null
         and (e.received_at, e.id) > (${after.at}::timestamptz, ${after.id}::uuid)
       order by e.received_at, e.id limit 1`.execute(tx);
    const [row] = rows;
    if (row === undefined) return;
    after = { at: row.received_at, id: row.id };
    yield row;
  }
}

/** @returns whether the send had been unconfirmed. */
async function confirmSend(tx: Tx, echo: EchoRow, outboxId: string): Promise<boolean> {
  const before = OutboxState.parse(echo.outbox_state);
  await sql`
    update outbox set echo_id = ${echo.id}, provider_message_id = coalesce(${echo.provider_message_id}, provider_message_id),
           state = case when state in ('sending', 'unknown', 'failed') then 'sent' else state end,
           sent_at = coalesce(sent_at, clock_timestamp()), settled_by = coalesce(settled_by, 'echo')
     where id = ${outboxId}`.execute(tx);
  await settle(tx, echo, 'ours');
  return before === 'unknown';
}

async function recordPersonsWords(tx: Tx, conversationId: ConversationId, echo: EchoRow): Promise<void> {
  await sql`
    insert into message (id, tenant_id, conversation_id, author, kind, text, provider_message_id, said_at)
    select id, tenant_id, conversation_id, 'human', case when text is null then 'other' else 'text' end, text,
           provider_message_id, said_at
      from echo where id = ${echo.id} and conversation_id = ${conversationId}
    on conflict (id) do nothing`.execute(tx);
  await settle(tx, echo, 'human');
}

async function settle(tx: Tx, echo: EchoRow, as: 'ours' | 'human' | 'automatic' | 'late'): Promise<void> {
  await tx
    .updateTable('echo')
    .set({ settled_as: as, settled_at: sql<Date>`now()` })
    .where('id', '=', echo.id)
    .execute();
}
