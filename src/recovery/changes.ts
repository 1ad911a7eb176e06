import { sql } from 'kysely';
import type { Kysely, RawBuilder, SqlBool } from 'kysely';
import { applyMessageChange } from '../conversation/message-changes.ts';
import { applyDeliveryStatus } from '../delivery/delivery-status.ts';
import { applyTicketChange, noteTicketOf } from '../handoff/ticket-changes.ts';
import type { TicketNeeds } from '../handoff/ticket-store.ts';
import type { Logger } from '../platform/logger.ts';
import type { Channel, TenantKeys } from '../tenants/tenants.ts';
import { ChannelId } from '../vocabulary/ids.ts';
import type { ConversationId, TenantId } from '../vocabulary/ids.ts';
import type { ReceivedEvent } from '../vocabulary/message.ts';
import type { Schema } from '../vocabulary/schema.ts';

/*
 * An edit, a deletion, a delivery status and what somebody did to a ticket change what is already there. Each is recorded first, like all that arrives, and
 * applied right after that by the service. What was recorded and not applied is applied here by the sweeper: the service
 * died, the database was away, or the change came before its message.
 */

export interface ChangesNeeds {
  readonly db: Kysely<Schema>;
  readonly keysOf: (id: TenantId) => Promise<TenantKeys>;
  readonly tickets: TicketNeeds;
}

export interface LateChangesNeeds extends ChangesNeeds {
  readonly channelOf: (id: ChannelId) => Promise<Channel | undefined>;
  readonly recognise: (body: unknown) => ReceivedEvent;
  readonly log: Logger;
}

/** The service applies a change right after recording it; by now it has died, failed, or met the change before its message. */
const LATE_AFTER_SECONDS = 5;
/** A correction may overtake its message by moments; after this it is about a message that we never saw. */
const WAITED_FOR_SECONDS = 120;
const CHANGES_PER_STEP = 100;

export interface RecordedEvent {
  readonly channel: Channel;
  readonly event: ReceivedEvent;
  /** Under which it was recorded once for its channel. */
  readonly dedupeKey: string;
  readonly conversationId: ConversationId | undefined;
}

/** Applies what has just been recorded, so that a correction comes before the answer. Of other events it takes no notice. */
export async function applyRecorded(needs: ChangesNeeds, recorded: RecordedEvent): Promise<void> {
  const { channel, event, dedupeKey, conversationId } = recorded;
  // Not applied late: the next message shows the ticket again.
  if (event.type === 'message' && conversationId !== undefined)
    await noteTicketOf(needs.tickets, conversationId, event);
  if (event.type !== 'status' && event.type !== 'edit' && event.type !== 'deletion' && event.type !== 'ticket') return;
  if (!(await isApplied(needs, { channel, event }))) return;
  await markApplied(needs.db, sql`channel_id = ${channel.id} and dedupe_key = ${dedupeKey}`);
}

/**
 * Applies what was recorded and has changed nothing yet, oldest first.
 *
 * Safe to run by several processes at once: a change that is applied twice changes nothing the second time.
 *
 * @returns how many it has settled.
 */
export async function applyLateChanges(needs: LateChangesNeeds): Promise<number> {
  const { rows } = await sql<LateChange>`
    select id, channel_id, raw, received_at, received_at < now() - ${WAITED_FOR_SECONDS} * interval '1 second' as is_hopeless
      from inbound_event
     where kind in ('status', 'edit', 'deletion', 'ticket') and applied_at is null
       and received_at < now() - ${LATE_AFTER_SECONDS} * interval '1 second'
     order by received_at limit ${CHANGES_PER_STEP}`.execute(needs.db);
  const settled: string[] = [];
  for (const row of rows) if (await isSettled(needs, row)) settled.push(row.id);
  if (settled.length > 0) await markApplied(needs.db, sql`id = any(${settled}::uuid[])`);
  return settled.length;
}

interface LateChange {
  readonly id: string;
  readonly channel_id: string;
  readonly raw: Buffer | null;
  readonly received_at: Date;
  readonly is_hopeless: boolean;
}

async function isSettled(needs: LateChangesNeeds, row: LateChange): Promise<boolean> {
  const channel = await needs.channelOf(ChannelId.parse(row.channel_id));
  if (channel === undefined || row.raw === null) return true;
  try {
    const event = needs.recognise(JSON.parse(row.raw.toString('utf8')));
    return (await isApplied(needs, { channel, event, recordedAt: row.received_at })) || row.is_hopeless;
  } catch (error) {
    needs.log.warn({ err: error, eventId: row.id }, 'A late change could not be applied');
    return row.is_hopeless;
  }
}

interface ReceivedChange {
  readonly channel: Channel;
  readonly event: ReceivedEvent;
  /** For an event that is applied late, by the database's clock. */
  readonly recordedAt?: Date;
}

/**
 * Changes what an event is about, wherever that lives. Safe to repeat.
 *
 * @returns whether nothing is left to do: most statuses are about messages that are none of ours, a correction is always
 * about one that comes or has come.
 */
async function isApplied(needs: ChangesNeeds, { channel, event, recordedAt }: ReceivedChange): Promise<boolean> {
  if (event.type === 'status') await applyDeliveryStatus(needs.db, channel, event);
  if (event.type === 'ticket') await applyTicketChange(needs, { channel, event, recordedAt });
  if (event.type !== 'edit' && event.type !== 'deletion') return true;
  const keys = await needs.keysOf(channel.tenantId);
  return await applyMessageChange(needs.db, { channel, keys, change: event, recordedAt });
}

async function markApplied(db: Kysely<Schema>, which: RawBuilder<SqlBool>): Promise<void> {
  await sql`update inbound_event set applied_at = now() where ${which}`.execute(db);
}
