import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import type { HandoffReason } from '../vocabulary/events.ts';
import type { ConversationId, OutboxId, TenantId } from '../vocabulary/ids.ts';
import type { Schema, Tx } from '../vocabulary/schema.ts';
import { endReply } from './reply-store.ts';

/** What giving up needs from the rest of the system, and nothing more. */
export interface GiveUpNeeds {
  readonly db: Kysely<Schema>;
  /** Gives the conversation to a person, in the caller's transaction. */
  readonly callPerson: (tx: Tx, id: ConversationId, reason: HandoffReason) => Promise<void>;
  readonly recordDeadLetter: (tx: Tx, letter: DeliveryDeadLetter) => Promise<void>;
}

export interface DeliveryDeadLetter {
  readonly tenantId: TenantId;
  readonly conversationId: ConversationId;
  readonly outboxId: OutboxId;
  readonly reason: string;
}

interface Ending {
  readonly id: ConversationId;
  readonly row: { readonly id: OutboxId; readonly turnId: string; readonly tenantId: TenantId };
  readonly reason: string;
}

/**
 * A part is dead: it ends its reply, is kept for a person to look at, and a person gets the customer.
 *
 * @returns false when somebody has settled it since it was looked at: then there is nothing to give up, and nobody to call.
 */
export async function giveUp(needs: GiveUpNeeds, { id, row, reason }: Ending): Promise<boolean> {
  return await needs.db.transaction().execute(async (tx) => {
    // The conversation first, as everywhere: two transactions that lock in one order never wait in a circle.
    await sql`select from conversation where id = ${id} for no key update`.execute(tx);
    if (!(await endReply(tx, row, { state: 'failed', failure: reason, settleAs: 'human' }))) return false;
    // Nobody waits for it, so nobody is called and nothing is kept: a question about the service that was not heard.
    if (!(await callsPerson(tx, row.id))) return true;
    await needs.callPerson(tx, id, reason === 'GATEWAY_OUTCOME_UNKNOWN' ? 'send-unconfirmed' : 'delivery-failed');
    await needs.recordDeadLetter(tx, { tenantId: row.tenantId, conversationId: id, outboxId: row.id, reason });
    return true;
  });
}

async function callsPerson(tx: Tx, outboxId: OutboxId): Promise<boolean> {
  const row = await tx.selectFrom('outbox').select('calls_person').where('id', '=', outboxId).executeTakeFirst();
  return row?.calls_person !== false;
}

/**
 * A part is not to be said any more, because the conversation changed hands: nobody is called.
 *
 * @returns false when somebody has settled it since it was looked at.
 */
export async function dropReply(needs: Pick<GiveUpNeeds, 'db'>, { id, row, reason }: Ending): Promise<boolean> {
  return await needs.db.transaction().execute(async (tx) => {
    await sql`select from conversation where id = ${id} for no key update`.execute(tx);
    return await endReply(tx, row, { state: 'dropped', failure: reason, settleAs: 'by-owner' });
  });
}
