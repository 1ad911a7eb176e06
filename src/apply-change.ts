import type { Kysely } from 'kysely';
import { applyMessageChange } from './conversation/message-changes.ts';
import { applyDeliveryStatus } from './delivery/delivery-status.ts';
import type { Channel, TenantKeys } from './tenants/tenants.ts';
import type { TenantId } from './vocabulary/ids.ts';
import type { ReceivedEvent } from './vocabulary/message.ts';
import type { Schema } from './vocabulary/schema.ts';

export interface ApplyChangeNeeds {
  readonly db: Kysely<Schema>;
  readonly keysOf: (id: TenantId) => Promise<TenantKeys>;
}

export interface ReceivedChange {
  readonly channel: Channel;
  readonly event: ReceivedEvent;
  /** For an event that is applied late, by the database's clock. */
  readonly recordedAt?: Date | undefined;
}

/** Whether an event changes something that is already there, beyond being recorded. */
export function isChange(event: ReceivedEvent): boolean {
  return event.type === 'status' || event.type === 'edit' || event.type === 'deletion';
}

/**
 * Changes what an event is about, wherever that lives. Safe to repeat.
 *
 * @returns whether nothing is left to do: most statuses are about messages that are none of ours, a correction is always
 * about one that comes or has come.
 */
export async function applyChange(needs: ApplyChangeNeeds, change: ReceivedChange): Promise<boolean> {
  const { channel, event, recordedAt } = change;
  if (event.type === 'status') await applyDeliveryStatus(needs.db, channel, event);
  if (event.type !== 'edit' && event.type !== 'deletion') return true;
  const keys = await needs.keysOf(channel.tenantId);
  return await applyMessageChange(needs.db, { channel, keys, change: event, recordedAt });
}
