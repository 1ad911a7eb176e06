import { sql } from 'kysely';
import type { Kysely, RawBuilder } from 'kysely';
import { blindIndex } from '../platform/crypto.ts';
import { addressKey } from '../inbound/inbound.ts';
import type { Channel, TenantKeys } from '../tenants/tenants.ts';
import { storableText } from '../vocabulary/message.ts';
import type { ReceivedEvent } from '../vocabulary/message.ts';
import type { Schema } from '../vocabulary/schema.ts';

export interface MessageChange {
  readonly channel: Channel;
  readonly keys: TenantKeys;
  readonly change: Extract<ReceivedEvent, { type: 'edit' | 'deletion' }>;
  /** For one that is applied late, when it was recorded by the database's clock: it must not replace a newer correction. */
  readonly recordedAt?: Date | undefined;
}

/**
 * A customer has corrected or taken back something they wrote.
 *
 * A correction that arrives before the answer is what gets answered. Something taken back before the answer needs none,
 * and is settled so. What has been answered stays answered; the change is only shown.
 *
 * @returns whether the message was there.
 */
export async function applyMessageChange(
  db: Kysely<Schema>,
  { channel, keys, change, recordedAt }: MessageChange,
): Promise<boolean> {
  const indexes = change.addresses.map((address) => blindIndex(keys.index, addressKey(address, channel.id)));
  const { numAffectedRows = 0n } = await sql`
    update message m set ${changed(change, recordedAt)}
      from contact_alias a join conversation c on c.tenant_id = a.tenant_id and c.contact_id = a.contact_id
     where a.tenant_id = ${channel.tenantId} and a.kind in ('phone', 'lid', 'ticket')
       and a.blind_index = any(${indexes}::bytea[]) and c.channel_id = ${channel.id}
       and m.conversation_id = c.id and m.provider_message_id = ${change.targetMessageId} and m.author = 'customer'`.execute(
    db,
  );
  return numAffectedRows > 0n;
}

function changed(change: MessageChange['change'], recordedAt: Date | undefined): RawBuilder<unknown> {
  switch (change.type) {
    case 'edit':
      // A correction that cannot be read, e.g. of a picture, does not make the question unsaid.
      return change.text === undefined
        ? sql`edited_at = now()`
        : sql`text = case when m.edited_at > ${recordedAt ?? null}::timestamptz then m.text else ${storableText(change.text)} end, edited_at = now()`;
    case 'deletion':
      return sql`deleted_at = now(),
        settled_kind = case when m.settled_at is null then 'recorded' else m.settled_kind end,
        settled_reason = case when m.settled_at is null then 'taken-back' else m.settled_reason end,
        settled_at = coalesce(m.settled_at, now())`;
  }
}
