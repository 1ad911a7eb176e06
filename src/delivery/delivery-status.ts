import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import type { Channel } from '../tenants/tenants.ts';
import type { ReceivedEvent } from '../vocabulary/message.ts';
import type { Schema } from '../vocabulary/schema.ts';

/** The order in which a message gets on. Gateways report out of order, so a state is only ever replaced by a later one. */
const PROGRESS = ['sending', 'unknown', 'sent', 'delivered', 'read'];

/**
 * A gateway says how far a message of ours has come.
 *
 * Only sends whose provider id is known can be recognised, i.e. those that were echoed or whose gateway tells ids. A
 * failure that is reported after the gateway took the message is left to people: nothing says that it was not seen.
 */
export async function applyDeliveryStatus(
  db: Kysely<Schema>,
  channel: Channel,
  status: Extract<ReceivedEvent, { type: 'status' }>,
): Promise<void> {
  const { providerMessageId, state } = status;
  if (providerMessageId === undefined || state === undefined || state === 'failed') return;
  const earlier = PROGRESS.slice(0, PROGRESS.indexOf(state));
  await sql`
    update outbox set state = ${state}, sent_at = coalesce(sent_at, clock_timestamp()), settled_by = coalesce(settled_by, 'status')
     where channel_id = ${channel.id} and provider_message_id = ${providerMessageId} and state = any(${earlier}::text[])`.execute(
    db,
  );
}
