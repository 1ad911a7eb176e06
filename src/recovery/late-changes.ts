import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import type { Logger } from '../platform/logger.ts';
import type { Channel } from '../tenants/tenants.ts';
import { ChannelId } from '../vocabulary/ids.ts';
import type { ReceivedEvent } from '../vocabulary/message.ts';
import type { Schema } from '../vocabulary/schema.ts';

/** What late changes need from the rest of the system, and nothing more. */
export interface LateChangesNeeds {
  readonly db: Kysely<Schema>;
  readonly channelOf: (id: ChannelId) => Promise<Channel | undefined>;
  readonly recognise: (body: unknown) => ReceivedEvent;
  /** Applies what an event changes, unless something newer did. @returns whether it found what it is about. */
  readonly apply: (channel: Channel, event: ReceivedEvent, recordedAt: Date) => Promise<boolean>;
  readonly log: Logger;
}

/** The service applies a change right after recording it; by now it has died, failed, or met the change before its message. */
const LATE_AFTER_SECONDS = 5;
/** A correction may overtake its message by moments; after this it is about a message that we never saw. */
const WAITED_FOR_SECONDS = 120;
const CHANGES_PER_STEP = 100;

/**
 * Applies edits, deletions and delivery statuses that were recorded and have changed nothing yet, oldest first.
 *
 * Safe to run by several processes at once: a change that is applied twice changes nothing the second time.
 *
 * @returns how many it has settled.
 */
export async function applyLateChanges(needs: LateChangesNeeds): Promise<number> {
  const { rows } = await sql<LateChange>`
    select id, channel_id, raw, received_at, received_at < now() - ${WAITED_FOR_SECONDS} * interval '1 second' as is_hopeless
      from inbound_event
     where kind in ('status', 'edit', 'deletion') and applied_at is null
       and received_at < now() - ${LATE_AFTER_SECONDS} * interval '1 second'
     order by received_at limit ${CHANGES_PER_STEP}`.execute(needs.db);
  const settled: string[] = [];
  for (const row of rows) if (await isSettled(needs, row)) settled.push(row.id);
  if (settled.length > 0) {
    await sql`update inbound_event set applied_at = now() where id = any(${settled}::uuid[])`.execute(needs.db);
  }
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
    return (await needs.apply(channel, event, row.received_at)) || row.is_hopeless;
  } catch (error) {
    needs.log.warn({ err: error, eventId: row.id }, 'A late change could not be applied');
    return row.is_hopeless;
  }
}
