import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { z } from 'zod';
import { TenantId } from '../vocabulary/ids.ts';
import type { ConversationId } from '../vocabulary/ids.ts';
import type { Schema, Tx } from '../vocabulary/schema.ts';
import { historyEntry } from './outbox-history.ts';

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
  /** A send whose words we cannot compare yet: it may still turn out to be this one. */
  is_send_open: boolean;
  /** These words were sent more than once, because one of the times was not confirmed; this is the other copy. */
  is_second_copy: boolean;
  is_replayed: boolean;
}

/** What the words of somebody else mean for a conversation. */
export type PersonAnswered = (tx: Tx, id: ConversationId, tenantId: TenantId) => Promise<void>;

/** What becomes of others through an echo, in the caller's transaction. */
export interface EchoNeeds {
  readonly db: Kysely<Schema>;
  /** Somebody on our side has answered. */
  readonly personAnswered: PersonAnswered;
  /** A send that had been given up was said after all: nobody needs to decide about it any more. */
  readonly resolveDeadLetter: (tx: Tx, letter: { subjectId: string; by: string }) => Promise<void>;
}

export interface SettledEchoes {
  /** Sends that were unconfirmed until their echo came. */
  readonly confirmed: readonly string[];
  /** Sends that the policy had settled before their echo came: given up, or to be said again. */
  readonly confirmedLate: readonly string[];
}

const OutboxState = z.enum(['pending', 'sending', 'unknown', 'sent', 'delivered', 'read', 'failed', 'dropped']);

/**
 * Finds out whose words the gateway repeated to us, one echo to one send.
 *
 * Ours: the send is confirmed. That settles an unknown one; it also takes back a second copy that has not left, and closes the
 * dead letter of one that was given up, while whoever was called keeps the conversation. The fork's own sentences: nobody's.
 * Anybody else's: a person has answered, and owns the conversation now. An echo that matches nothing waits while a send is under way, because the
 * gateway may repeat our words before it has answered our call.
 *
 * Safe to run again: a settled echo is never looked at twice.
 */
export async function settleEchoes(needs: EchoNeeds, conversationId: ConversationId): Promise<SettledEchoes> {
  const confirmed: string[] = [];
  const confirmedLate: string[] = [];
  if (!(await hasUnsettledEcho(needs.db, conversationId))) return { confirmed, confirmedLate };
  await needs.db.transaction().execute(async (tx) => {
    await sql`select from conversation where id = ${conversationId} for no key update`.execute(tx);
    for await (const echo of unsettledEchoes(tx, conversationId)) {
      if (echo.outbox_id !== null) {
        const before = await confirmSend(needs, tx, { ...echo, outbox_id: echo.outbox_id });
        if (before === 'unknown') confirmed.push(echo.outbox_id);
        if (before === 'settled-by-policy') confirmedLate.push(echo.outbox_id);
      } else if (echo.is_second_copy) await settle(tx, echo, 'ours');
      else if (echo.is_automatic) await settle(tx, echo, 'automatic');
      else if (echo.is_replayed) await settle(tx, echo, 'late');
      else if (!echo.is_send_open) {
        await recordPersonsWords(tx, conversationId, echo);
        await needs.personAnswered(tx, conversationId, TenantId.parse(echo.tenant_id));
      }
    }
  });
  return { confirmed, confirmedLate };
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
      select e.id, e.tenant_id, e.text, e.is_automatic, e.provider_message_id, e.said_at, o.id as outbox_id,
             e.received_at::text as received_at,
             exists (select from outbox s where s.conversation_id = e.conversation_id and s.state in ('sending', 'unknown')) as is_send_open,
             exists (select from outbox s
                      where s.tenant_id = e.tenant_id and s.conversation_id = e.conversation_id and s.text_hash = e.text_hash
                        and s.attempts > 1 and s.sending_since > e.received_at - ${ECHO_WINDOW_SECONDS} * interval '1 second') as is_second_copy,
             e.said_at < e.received_at - ${REPLAYED_AFTER_SECONDS} * interval '1 second' as is_replayed
        from echo e left join lateral (
          select id from outbox s
           where s.tenant_id = e.tenant_id and s.conversation_id = e.conversation_id and s.text_hash = e.text_hash and s.echo_id is null
             and (s.state in ('sending', 'unknown', 'sent', 'delivered', 'read')
                  or s.state in ('pending', 'failed', 'dropped') and s.unknown_since is not null)
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

/** @returns how far the send had come without its echo. */
async function confirmSend(
  needs: EchoNeeds,
  tx: Tx,
  echo: EchoRow & { outbox_id: string },
): Promise<'unknown' | 'settled-by-policy' | 'known'> {
  // Locked before it is read: its sender may be recording its end at this moment.
  const { state } = await tx
    .selectFrom('outbox')
    .select('state')
    .where('id', '=', echo.outbox_id)
    .forNoKeyUpdate()
    .executeTakeFirstOrThrow();
  const before = OutboxState.parse(state);
  const isOpen = ['pending', 'sending', 'unknown', 'failed', 'dropped'].includes(before);
  await sql`
    update outbox set echo_id = ${echo.id}, provider_message_id = coalesce(${echo.provider_message_id}, provider_message_id)
           ${isOpen ? sql`, state = 'sent', sent_at = clock_timestamp(), settled_by = 'echo', failure = null, ${historyEntry('sent', 'echo')}` : sql``}
     where id = ${echo.outbox_id}`.execute(tx);
  await settle(tx, echo, 'ours');
  if (before === 'failed') await needs.resolveDeadLetter(tx, { subjectId: echo.outbox_id, by: 'echo' });
  if (before === 'unknown') return 'unknown';
  return isOpen && before !== 'sending' ? 'settled-by-policy' : 'known';
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
